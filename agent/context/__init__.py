"""Context for the model beside the files: a map of signatures, instructions, a summary."""
