"""Decides what to do: settings, the model client, edits, the loop, and what is kept of a session."""
