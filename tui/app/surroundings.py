"""Reads the surroundings of the app: the colours of the terminal, and the lines that were typed before."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.session.context import Context


def light_terminal(environ: Mapping[str, str] = os.environ) -> bool:
    """True if the terminal says that its background is light (`COLORFGBG`)."""
    background = environ.get("COLORFGBG", "").rpartition(";")[2]
    return background in ("7", "15")


def history_file(where: Context) -> Path:
    """The file of the lines that were typed in a repository."""
    from agent.paths import make_private

    return make_private(where.repository.home) / "history"
