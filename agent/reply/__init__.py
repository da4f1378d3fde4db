"""Reads the replies of weak models tolerantly, without guesses."""
