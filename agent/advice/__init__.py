"""Advice on a failure: facts of the installed libraries and lessons of earlier repairs."""
