"""A layer graph cut into roles (pure)."""
