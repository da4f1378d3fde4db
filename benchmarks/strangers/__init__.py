"""Requests to the conversation that strangers to the product wrote, with checks: two lists of thirty."""
