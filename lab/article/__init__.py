"""The founding article's experiments: its figures, our settings, and ours beside theirs."""
