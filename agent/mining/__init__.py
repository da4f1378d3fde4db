"""Tasks from a repository's own history: a function is broken again, its tests are the judge."""
