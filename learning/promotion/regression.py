"""The regression suite: sixty small functions that belong to no repository and to no benchmark.

They show if an adapter has lost abilities of the base model. They ship with the package, and
experiences that contain them are never learned from (`learning.training.selection`).
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
    """Digest of the tasks, part of the key of stored results."""
    return sha256_file(_FILE)
