"""Rows of an evaluation made by several machines."""
