"""A repository's own history as work for several machines."""
