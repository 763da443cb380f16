"""The speed of this checkout: farms beside the ideal and beside the stock pattern, in one interleaved run.

`python -m benchmarks` measures; nothing here is imported by the engine, and no test asserts a time.
"""
