"""Benchmarks: ratios against named peers, taken in one run. `make bench IMAGES=DIR [ADVISORIES=DIR]`."""
