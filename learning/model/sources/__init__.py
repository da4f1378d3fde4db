"""Where models come from: the package index, the hub, and what they offer."""
