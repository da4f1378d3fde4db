"""Opens a session, records it, and decides what is kept of it."""
