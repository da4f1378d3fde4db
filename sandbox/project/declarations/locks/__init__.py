"""Lock files: `reading` finds and reads one, `model` is what it says, one file for each format."""
