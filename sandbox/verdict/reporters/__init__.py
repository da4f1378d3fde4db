"""What runs inside the box to say how the tests went: standard library only, Python 3.8 and newer."""
