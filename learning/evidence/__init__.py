"""Parses the output of tools into structured facts: one module for each family of tools."""
