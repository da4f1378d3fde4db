"""The team of the person: what is shared with it, fetched from it and forgotten in it.

Nobody has a team until the person joins one, and only the person's own settings name it. The libraries
of its store are loaded when a command needs them.
"""
