"""The front end without a full screen: the line loop, its prompt, and single questions."""
