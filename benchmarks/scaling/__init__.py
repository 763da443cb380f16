"""Chains of node processes that pass a tensor on: what a hop costs as the farm grows.

`chain` is the plan, `nodes` the processes, `source` sends and takes frames, `suite` measures chains in turn.
"""
