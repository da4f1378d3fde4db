"""The images that boxes start from: a base made without a registry, and a project's packages on top."""
