"""A field of a class is renamed with every use of it, and nothing that only has its name."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.fixing.sources import Sources
from agent.refactoring.asked import asked_refactoring
from agent.refactoring.planned import Refactored, RefactoringError
from agent.refactoring.planning import plan_refactoring

_ITEM = (
    "from dataclasses import dataclass, replace\n\n\n@dataclass\nclass Item:\n    name: str\n    qty: int = 1\n\n"
    "    def twice(self):\n        return replace(self, qty=2 * self.qty)  # qty ü\n"
)
_USE = "from item import Item\n\n\ndef total(items, qty=0):\n    return qty + sum(i.qty for i in items)\n\n\nITEM = Item('ü', qty=3)\n"


def _planned(root: Path, request: str, **texts: str) -> Refactored:
    for name, text in texts.items():
        (root / f"{name}.py").write_text(text)
    asked = asked_refactoring(request)
    assert asked is not None
    return plan_refactoring(asked, Sources(root, sorted(f"{name}.py" for name in texts)))


@pytest.mark.parametrize(
    "request_",
    [
        "rename the field qty in Item to quantity",
        "rename Item.qty to quantity",
        "rename qty to quantity",
    ],
)
def test_attributes_and_keywords_follow_and_a_parameter_of_that_name_stays(
    tmp_path: Path, request_: str
) -> None:
    plan = _planned(tmp_path, request_, item=_ITEM, use=_USE)
    assert plan.texts["item.py"] == _ITEM.replace("qty:", "quantity:").replace(
        "qty=2 * self.qty", "quantity=2 * self.quantity"
    )
    assert plan.texts["use.py"] == _USE.replace("i.qty", "i.quantity").replace(
        "qty=3", "quantity=3"
    )
    assert plan.left == ("item.py:10", "use.py:4", "use.py:5")


def test_slots_and_attributes_of_self_are_fields(tmp_path: Path) -> None:
    text = "class P:\n    __slots__ = ('x', 'y')\n\n    def __init__(self, x):\n        self.x = x\n        self.y = 'x'\n"
    plan = _planned(tmp_path, "rename field x of P to left", p=text)
    assert plan.texts["p.py"] == text.replace("('x'", "('left'").replace("self.x", "self.left")


@pytest.mark.parametrize(
    ("request_", "more", "said"),
    [
        ("rename field qty to quantity", "class Other:\n    qty = 1\n", "several classes"),
        ("rename field qty of Item to name", "", "has a field name already"),
        ("rename field qty of Item to twice", "", "has a method twice already"),
        ("rename field qty of Item to class", "", "no name that Python takes"),
    ],
)
def test_what_is_not_clear_is_said(tmp_path: Path, request_: str, more: str, said: str) -> None:
    with pytest.raises(RefactoringError, match=said):
        _planned(tmp_path, request_, item=_ITEM, other=more)
