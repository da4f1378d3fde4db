"""The full-screen app: a Textual front end over the same events as the line loop."""
