"""The things that the person owns and may look at, use and remove: adapters, experiences, models."""
