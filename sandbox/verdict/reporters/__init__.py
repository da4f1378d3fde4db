"""Programs that report on tests from inside the box: standard library only, Python 3.8 and newer."""
