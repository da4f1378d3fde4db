"""What the model is told beyond the files: a map of signatures, instructions, a summary."""
