"""Kinds of devices: seconds, memory and watts with their sources, and fits for layers without figures (pure)."""
