"""The user's folder: its files, snapshots, undo, and git that executes nothing."""
