"""Does exactly what a tool can do exactly: renames, moves and deletions over the whole project."""
