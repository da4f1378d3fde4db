"""Runs one turn of a conversation: ask the model, act on its reply, tell it the outcome."""
