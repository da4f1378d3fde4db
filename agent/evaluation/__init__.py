"""Runs evaluations: where models from learning meet verdicts from the sandbox."""
