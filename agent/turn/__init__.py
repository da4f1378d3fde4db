"""One turn of a conversation: ask the model, do what it asks for, tell it what came of it."""
