"""One session: what it opens, what it records, and what is kept of it."""
