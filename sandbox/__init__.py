"""Runs untrusted commands in a hardened box; nothing of a project ever runs on the host."""
