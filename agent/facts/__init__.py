"""Asks the environment why something failed: what is installed says which names really exist."""
