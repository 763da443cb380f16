"""Layer graphs, seeded weights and seeded frames: everything about a model that needs no TensorFlow."""
