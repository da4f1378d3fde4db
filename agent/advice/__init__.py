"""Help beside a failure: what the installed libraries say, and what earlier repairs here teach."""
