"""Tells front ends whether the packages that learning needs are installed."""

from __future__ import annotations

from learning.extra import missing, need, problem

__all__ = ["missing", "need", "problem"]
