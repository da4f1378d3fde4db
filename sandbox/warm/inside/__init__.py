"""Programs that run inside a warm box: standard library only, Python 3.9 and newer."""
