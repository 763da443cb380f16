"""One device: it takes tensors, computes its block, and passes the result on."""
