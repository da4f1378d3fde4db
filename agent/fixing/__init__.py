"""The fix loop: choose a failing test and a file, ask, judge, keep what helps."""
