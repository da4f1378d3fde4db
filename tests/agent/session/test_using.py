"""A question about who uses or tests a name is answered by the places in the files."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.fixing.sources import Sources
from agent.session.using import seen_uses, unused_removal

_FILES = {
    "shop/cart.py": "LIMIT = 3\n\n\nclass Cart:\n    def add(self, item):\n        return checked(item)\n\n\n"
    "def checked(item):\n    return item if LIMIT else None\n\n\ndef idle():\n    return 'checked'\n",
    "shop/main.py": "from shop.cart import Cart, checked\n\nCart().add(1)\n",
    "tests/test_cart.py": "from shop.cart import Cart\n\n\nclass TestCart:\n    def test_add(self):\n"
    "        assert Cart().add(2) == 2\n",
}


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    for path, text in _FILES.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    return Sources(tmp_path, sorted(_FILES))


_ADD_TEST = "tests/test_cart.py:6 in TestCart.test_add: assert Cart().add(2) == 2"


@pytest.mark.parametrize(
    ("question", "seen"),
    [
        ("is add() tested anywhere?", f"`add` stands in these tests:\n{_ADD_TEST}"),
        ("which tests cover Cart.add?", f"`add` stands in these tests:\n{_ADD_TEST}"),
        ("are there any tests for idle?", "`idle` stands in no test."),
        (
            "where is checked used?",
            "`checked` stands in this code:\nshop/cart.py:6 in Cart.add: return checked(item)\n"
            "shop/main.py:1: from shop.cart import Cart, checked",
        ),
        (
            "who calls idle?",
            "No code of the project uses `idle`. It is written at shop/cart.py:13.",
        ),
        (
            "is LIMIT used",
            "`LIMIT` stands in this code:\nshop/cart.py:10 in checked: return item if LIMIT else None",
        ),
    ],
)
def test_the_places_are_said(sources: Sources, question: str, seen: str) -> None:
    found = seen_uses(question, sources)
    assert found is not None
    assert found.said == seen
    assert found.answers == ("." not in question)


@pytest.mark.parametrize(
    "question",
    [
        "where is add?",
        "is nothing_like_it tested?",
        "how is the cart used by customers?",
        "what does add return?",
        "why is checked used here and not in main?",
        "is the project tested on Windows?",
    ],
)
def test_another_question_is_left_to_the_model(sources: Sources, question: str) -> None:
    found = seen_uses(question, sources)
    assert found is None or not found.answers


def test_many_places_are_counted_and_not_listed(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("def f():\n    return 1\n\n\n" + "f()\n" * 20)
    found = seen_uses("where is f used?", Sources(tmp_path, ["a.py"]))
    assert found is not None
    said = found.said
    assert said.count("a.py:") == 8
    assert said.endswith("and at 12 more places")


@pytest.mark.parametrize(
    "question",
    [
        "is anything calling checked?",
        "what would break if I delete checked?",
        "can we remove checked",
    ],
)
def test_a_question_about_a_removal_is_one_about_uses(sources: Sources, question: str) -> None:
    found = seen_uses(question, sources)
    assert found is not None
    assert found.said.startswith("`checked` stands in this code:\nshop/cart.py:6")


@pytest.mark.parametrize(
    "question",
    [
        "who calls checked or add?",
        "is checked used correctly?",
        "is add tested against negative numbers?",
        "can I remove checked from the README?",
        "are there any tests for add that use a tmp dir?",
    ],
)
def test_where_more_is_asked_the_places_are_a_part_of_the_answer(
    sources: Sources, question: str
) -> None:
    found = seen_uses(question, sources)
    assert found is not None
    assert not found.answers


def test_a_name_that_stands_in_texts_alone_is_said_to(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("def plug(n):\n    return plug(n - 1)\n")
    (tmp_path / "hooks.toml").write_text("plug = 'a:plug'\n")
    found = seen_uses("can I delete plug?", Sources(tmp_path, ["a.py", "hooks.toml"]))
    assert found is not None
    assert found.said.startswith("No code of the project uses `plug`. It is written at a.py:1")
    assert "hooks.toml:1" in found.said


@pytest.mark.parametrize(
    ("said", "order"),
    [
        ("is idle() still used anywhere? if not kick it out, its test too", "delete idle and its tests"),
        ("Is `idle` used at all? If it isn't, please delete it.", "delete idle"),
        ("is idle in cart.py still used by anyone? if not toss it out", "delete idle"),
        ("is idle in main.py still used by anyone? if not toss it out", ""),
        ("is checked still used? if not, remove it", ""),
        ("is Cart used? if not delete it and its tests", ""),
        ("is nothing_here used? if not, delete it", ""),
        ("is idle used? if not, tell me", ""),
        ("is idle used? if not, delete it and add a cache to Cart", ""),
        ("is idle still used anywhere?", ""),
    ],
)  # fmt: skip
def test_a_name_is_deleted_if_nothing_uses_it_where_that_is_the_condition(
    sources: Sources, said: str, order: str
) -> None:
    assert unused_removal(said, sources) == order


def test_a_name_that_tests_alone_use_goes_only_with_its_tests(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("def miles(x):\n    return x / 1.6\n")
    (tmp_path / "test_a.py").write_text(
        "from a import miles\n\n\ndef test_miles():\n    assert miles(0) == 0\n"
    )
    sources = Sources(tmp_path, ["a.py", "test_a.py"])
    asked = "is miles() still used anywhere? if not kick it out"
    assert unused_removal(asked, sources) == ""
    assert unused_removal(f"{asked}, its test too", sources) == "delete miles and its tests"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("a.py", "@app.route('/')\ndef idle():\n    return 1\n"),
        ("a.py", "__all__ = ['idle']\n\n\ndef idle():\n    return 1\n"),
        ("a.py", "class View(Base):\n    def idle(self):\n        return 1\n"),
        ("b.py", "class View:\n    def idle(self):\n        return a.idle(self)\n"),
        ("pyproject.toml", '[project.scripts]\nrun = "a:idle"\n'),
        ("run", "from a import idle\nidle()\n"),
        ("broken.py", "def f(:\n    idle()\n"),
    ],
)
def test_a_name_that_anything_may_use_is_not_deleted(tmp_path: Path, path: str, text: str) -> None:
    (tmp_path / "a.py").write_text("def idle():\n    return 1\n")
    (tmp_path / path).write_text(text)
    sources = Sources(tmp_path, sorted({"a.py", path}))
    asked = "is idle() still used anywhere? if not kick it out, its test too"
    assert unused_removal(asked, sources) == ""
