"""The user's folder: which files count, snapshots of it, undo, and git that executes nothing."""
