"""Benchmarks: their tasks, how a reply becomes a row, and what a row says."""
