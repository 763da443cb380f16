"""Farms whose nodes compute a digest in place of a neural network, to try the farm and not the arithmetic."""
