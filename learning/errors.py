"""The base of this package's exceptions; the leaves stand in the modules that raise them."""

from __future__ import annotations


class LearningError(Exception):
    """Learning, serving or reading a model cannot go on; the message says why and what to do."""
