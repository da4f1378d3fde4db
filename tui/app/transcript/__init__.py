"""The conversation on the screen: entries, and one widget for each."""
