"""The founding article's three experiments: its figures, our settings, and ours beside theirs."""
