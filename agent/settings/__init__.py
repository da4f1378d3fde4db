"""Settings: their schema, their sources, and the trust in a project's own."""
