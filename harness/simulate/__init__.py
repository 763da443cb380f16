"""Farms under a simulated clock: the harness's own decisions, on devices and networks that are only reckoned."""
