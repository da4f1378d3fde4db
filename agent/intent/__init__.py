"""Reads what a message wants, before anything is done for it."""
