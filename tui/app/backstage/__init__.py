"""Everything behind the screen: the opened repository, its jobs and its questions, without widgets."""
