"""Programs that run inside the box; each uses the standard library alone."""
