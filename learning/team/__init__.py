"""What a team shares: experiences and adapters in a database and a bucket. Nobody has a team by default."""
