"""Turns experience into adapters: models, training and promotion."""

from __future__ import annotations
