"""Verified uses of the installed libraries' APIs: what a round learns from beside experiences."""
