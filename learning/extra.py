"""The packages of the extra `learn`, which training and the torch engine need: whether they are there."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

from learning.errors import LearningError

PACKAGES = ("torch", "transformers", "peft")
_HOW = (
    'pip install "elagent[learn]" (on a machine without a GPU first:'
    " pip install torch --index-url https://download.pytorch.org/whl/cpu)"
)


class NotInstalledError(LearningError):
    """Something needs the extra `learn`, or a program, that is not installed; the message says how to get it."""


def missing() -> Sequence[str]:
    """The packages of the extra that are not installed; nothing is imported to find out."""
    return [name for name in PACKAGES if find_spec(name) is None]


def problem(what: str) -> str:
    """Say in one sentence what `what` lacks, and how to get it; empty if the extra is installed."""
    absent = missing()
    if not absent:
        return ""
    *most, last = absent
    names = f"{', '.join(most)} and {last}" if most else last
    return f"{what} needs {names}, which {'are' if most else 'is'} not installed: {_HOW}"


def need(what: str) -> None:
    """Return if the extra is installed.

    Raises:
        NotInstalledError: If a package of it is not; `what` begins the sentence.
    """
    if said := problem(what):
        raise NotInstalledError(said)
