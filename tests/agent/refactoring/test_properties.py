"""A method becomes a property with all its calls; where its name may mean something else, nothing is done."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.fixing.sources import Sources
from agent.refactoring.asked import asked_refactoring
from agent.refactoring.planned import RefactoringError
from agent.refactoring.planning import plan_refactoring

_DAY = "class Entry:\n    def month(self):\n        return self.day.month  # ü\n\n    def both(self):\n        return ('ü', self.month())\n"
_USE = "from day import Entry\n\n\ndef months(entries):\n    return [e.month(\n    ) for e in entries]\n"


def _planned(root: Path, request: str, **texts: str) -> dict[str, str]:
    for name, text in texts.items():
        (root / f"{name}.py").write_text(text)
    asked = asked_refactoring(request)
    assert asked is not None
    assert asked.kind == "property"
    return dict(plan_refactoring(asked, Sources(root, sorted(f"{n}.py" for n in texts))).texts)


@pytest.mark.parametrize(
    "request_",
    [
        "make month a property",
        "month() on Entry should be a property, i always forget the brackets. change the callers also",
        "make Entry.month a property, and update where it is called",
        "please turn the method month of Entry into a property",
    ],
)
def test_the_method_is_marked_and_its_calls_lose_their_parentheses(
    tmp_path: Path, request_: str
) -> None:
    assert _planned(tmp_path, request_, day=_DAY, use=_USE) == {
        "day.py": _DAY.replace("    def month", "    @property\n    def month").replace(
            "self.month()", "self.month"
        ),
        "use.py": _USE.replace("e.month(\n    )", "e.month"),
    }


@pytest.mark.parametrize(
    ("request_", "more", "said"),
    [
        ("make month a property", "class Other:\n    def month(self): ...\n", "defined in"),
        ("make month a property", "from day import Entry\n\nKEY = Entry.month\n", "handed on"),
        ("make month a property", "def f(e):\n    return e.month(1)\n", "gives it something"),
        ("make month a property", "def f(e):\n    return map(e.month, [1])\n", "handed on"),
        ("make copy a property", "class C:\n    def copy(self): ...\n", "other kinds"),
        (
            "make Entry.month a property",
            "class Child:\n    def month(self): ...\n",
            "defined in",
        ),
        ("make f a property", "def f(e):\n    return e\n", "is no method"),
        ("make g a property", "class G:\n    def g(self, a): ...\n", "takes arguments"),
        ("make h a property", "class H:\n    @property\n    def h(self): ...\n", "is decorated"),
    ],
)
def test_what_is_not_clear_is_left_to_the_model(
    tmp_path: Path, request_: str, more: str, said: str
) -> None:
    with pytest.raises(RefactoringError, match=said):
        _planned(tmp_path, request_, day=_DAY, other=more)


@pytest.mark.parametrize(
    "request_",
    ["make month a property and let it give the name", "make it a property", "add a property"],
)
def test_a_wish_for_more_is_left_to_the_model(request_: str) -> None:
    assert asked_refactoring(request_) is None
