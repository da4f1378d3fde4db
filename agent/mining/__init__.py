"""Mines tasks from a repository's commits: a function is broken, and its tests judge the repair."""
