"""Twins: the tests that decided, run once more with other expectations, which no repair can meet."""
