"""Reads how a repository's tests run and what they need; runs nothing of it."""
