"""Measures models: statistics, tasks, prompts, sample files and their comparison. Pure parts only."""
