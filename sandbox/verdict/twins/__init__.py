"""Twins: copies of the deciding tests with other expectations, which no true repair can meet."""
