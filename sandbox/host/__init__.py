"""The host's side: programs that end with their job, and lock files of living sessions."""
