"""Processes and locks on the host: programs that end with their job, lock files of living sessions."""
