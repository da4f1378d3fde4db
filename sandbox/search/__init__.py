"""Many small changes of one project, each tried on its red tests in one box."""
