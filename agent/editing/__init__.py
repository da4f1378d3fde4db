"""Edits of files: checked before writing, written atomically, and reverted exactly."""
