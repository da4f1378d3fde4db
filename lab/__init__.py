"""The laboratory: benchmarks, baselines and the founding article's experiments, measured beside the product."""
