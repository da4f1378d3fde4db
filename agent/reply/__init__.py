"""What a model meant: replies of weak models, read tolerantly and never guessed at."""
