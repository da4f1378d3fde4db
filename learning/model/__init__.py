"""Fetches, converts, runs and serves models."""

from __future__ import annotations
