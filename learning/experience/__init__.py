"""What happened, kept: experiences on disk, their JSON form, redaction, parsed evidence."""
