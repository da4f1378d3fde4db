"""Models: where they come from, how they are run, how they are served."""

from __future__ import annotations
