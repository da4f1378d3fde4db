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


def test_a_field_alone_by_its_name_is_meant_where_nothing_else_has_it(tmp_path: Path) -> None:
    plan = _planned(tmp_path, "rename qty to quantity", item=_ITEM)
    assert "quantity: int = 1" in plan.texts["item.py"]


def test_a_class_with_its_own_init_keeps_the_keywords_of_its_calls(tmp_path: Path) -> None:
    text = "class M:\n    def __init__(self, path):\n        self.path = path\n\n\nM(path=1).path\n"
    plan = _planned(tmp_path, "rename field path of M to place", m=text)
    assert plan.texts["m.py"] == text.replace("self.path", "self.place").replace(
        ").path", ").place"
    )


@pytest.mark.parametrize(
    "more",
    [
        "import os\n\nP = os.qty.join('a')\n",
        "from item import Item\n\n\nclass Child(Item):\n    pass\n",
        "from item import Item as I\n\nI(qty=1)\n",
        "import item\n\nI = item.Item\n",
        "def f(x):\n    match x:\n        case Item(qty=n):\n            return n\n",
    ],
)
def test_a_use_that_cannot_be_followed_stops_it(tmp_path: Path, more: str) -> None:
    with pytest.raises(RefactoringError):
        _planned(tmp_path, "rename field qty of Item to quantity", item=_ITEM, more=more)


def test_a_field_that_other_objects_have_too_is_left_to_the_model(tmp_path: Path) -> None:
    text = "class C:\n    def __init__(self):\n        self.count = 1\n"
    with pytest.raises(RefactoringError, match="objects of other kinds"):
        _planned(tmp_path, "rename field count of C to total", c=text)


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
