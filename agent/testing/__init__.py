"""A project's tests: which files enter the box, what the run proves, and which failures are one."""
