"""The speed of this checkout beside the alternatives, interleaved in one run.

`python -m benchmarks` measures what `parts` lists; nothing here is imported by the engine, and no test asserts a time.
"""
