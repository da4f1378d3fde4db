"""Comments in saved files that ask for something: found while a person watches, each told once."""
