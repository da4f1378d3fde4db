"""Programs that try changes inside the box: standard library only, Python 3.8 and newer."""
