"""The commands of the command line, a module each, imported only when the command runs."""
