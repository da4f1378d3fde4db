"""Whether the packages that learning needs are installed, as front ends may ask."""

from __future__ import annotations

from learning.extra import missing, need, problem

__all__ = ["missing", "need", "problem"]
