"""What a test run proves: its records, their trust, and what must not have been touched."""
