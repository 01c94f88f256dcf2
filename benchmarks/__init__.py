"""What Orchestra claims about its speed and size, measured: `python -m benchmarks [NAMES] [--quick]`.

Ratios are measured within one run and interleaved with the peer; figures are medians. Nothing here is
a test: a slow machine gives other figures, never a failure.
"""
