"""`elagent eval article`: the founding article's experiments, one command each, and one report."""
