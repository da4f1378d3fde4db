"""Drives vLLM: a program of its own, which serves many replies at once on a GPU."""
