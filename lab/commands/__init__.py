"""The commands of `elagent eval`: what is measured, and how its results are shown."""
