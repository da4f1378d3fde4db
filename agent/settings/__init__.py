"""Every setting: what it is, where its value comes from, and who may set it."""
