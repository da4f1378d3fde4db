"""Experiences on disk, their JSON form, and the redaction of secrets."""
