"""A small model's change without a path is asked for again; an answer with code in it is not."""

from __future__ import annotations

import pytest

from agent.turn.unplaced import unplaced_change

SHOWN = {"shop.py": "class Shop:\n    def total(self):\n        return sum(self.prices)\n"}
CHANGED = "```python\ndef total(self):\n    return sum(self.prices or [0])\n```"


@pytest.mark.parametrize(
    ("reply", "path"),
    [
        (CHANGED, "shop.py"),
        ("```python\n    def total(self):\n        return 0\n```", "shop.py"),
        ("```python\ndef total(self):\n    return sum(self.prices)\n```", ""),
        ("```python\ndef other(self):\n    return 1\n```", ""),
        ("```\nnot python {\n```", ""),
        ("It adds the prices.", ""),
    ],
)
def test_a_changed_definition_is_told_from_a_quotation(reply: str, path: str) -> None:
    assert unplaced_change(reply, SHOWN) == path
