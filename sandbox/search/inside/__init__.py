"""What runs inside the box to try changes: standard library only, Python 3.8 and newer."""
