"""Rows of results: the model that is asked, the machine that makes them, and how a row comes about."""
