"""The regression suite: sixty small functions that belong to no repository and to no benchmark.

They say whether an adapter still does what the model could do before. They ship with the package,
and what looks like them is never learned from (`learning.experience.contamination`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from learning.evaluation.humaneval import Problem, load_problems
from learning.model.catalog import sha256_file

_FILE = Path(__file__).with_name("regression.jsonl")


def regression_problems() -> Sequence[Problem]:
    """The tasks, in HumanEval's form; each has a solution that passes its check."""
    return load_problems(_FILE)


def regression_digest() -> str:
    """Key of everything that was measured on them."""
    return sha256_file(_FILE)
