"""The commands of `elagent eval`, and the looks of their results."""
