"""Shares experiences and adapters with a team, in a database and a bucket. Nobody has a team by default."""
