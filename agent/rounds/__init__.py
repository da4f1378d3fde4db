"""Learning rounds: what is to be learned, the worker that learns it, the trial, and self-play."""
