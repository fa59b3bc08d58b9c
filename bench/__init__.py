"""Benchmarks: each prints its figures beside the floor, which is the barest thing that does the same."""
