"""Edits: checked before they are written, written whole, and put back exactly."""
