"""A measured run: preflight, load, account of every frame, verdict."""
