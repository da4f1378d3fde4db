"""Boxes: the contract, the fence around a container, its life, its removal, and the list of runs."""
