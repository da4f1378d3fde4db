"""Sources of models: the package index, the hub, and what they offer."""
