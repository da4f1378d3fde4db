"""Verified contexts of library APIs, built in a box from what the installed release brings along."""
