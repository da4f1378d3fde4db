"""The call that a question is about is found in its words, with nothing but literals in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.fixing.sources import Sources
from agent.session.trying import asked_call
from tests.growth import grows_linearly


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "stats.py").write_text(
        "def mean(values):\n    return 1\n\n\ndef find(a, b=0):\n    return a\n\n\n"
        "def pair(a, b):\n    return a, b\n\n\ndef only(a, *, by):\n    return a\n\n\ndef bare(a, /):\n    return a\n"
    )
    return Sources(tmp_path, ["shop/stats.py"])


@pytest.mark.parametrize(
    ("question", "call"),
    [
        ("what does mean return for an empty list?", "mean([])"),
        ("what happens if mean is given None?", "mean(None)"),
        ("what is mean([1, 2])?", "mean([1, 2])"),
        ("what does `find('x', b=2)` return", "find('x', b=2)"),
        ("what does mean([1] * 3 + [2]) return, how long is it", "mean([1] * 3 + [2])"),
        ('does mean return 0 for ""', 'mean("")'),
        ("what does pair return for 2 and 3?", "pair(2, 3)"),
        ("what does pair give for 'a', an empty list?", "pair('a', [])"),
        ("what does pair return for 2,3", "pair(2, 3)"),
        ("what does find return for 2?", "find(2)"),
        ("what does find do when a is 2?", "find(a=2)"),
        ("what does pair(1) raise?", "pair(1)"),
        ("what does mean(1, 2, 3) return?", "mean(1, 2, 3)"),
    ],
)
def test_a_call_is_found(sources: Sources, question: str, call: str) -> None:
    found = asked_call(question, sources)
    assert found is not None
    assert found.text == call
    assert found.module == "shop.stats"


@pytest.mark.parametrize(
    "question",
    [
        "what does mean(open('/etc/passwd').read()) return?",
        "what does median return for an empty list?",
        "where is mean defined?",
        "what does mean() do?",
        "what does mean return for 2 and 3?",  # one call cannot take both
        "what does pair return for 2?",  # it takes two
        "what does find return for 2 and 3?",  # two calls, or one?
        "what does find return for 2 or 3?",
        "what does find return for 2 & 3?",
        "what does find do when b is 3?",  # and a?
        "what does find do when a is 2 and b is 3?",
        "what does mean return for 1.5e3?",
        "what does only return for 2?",  # `by` has no default
        "what does bare return when a is 2?",  # no call can name it
        "what does mean({[1]: 2}) return?",
        f"what does mean({'-' * 30000}1) return?",
    ],
)
def test_anything_else_is_not_called(sources: Sources, question: str) -> None:
    assert asked_call(question, sources) is None


def test_a_src_folder_is_no_part_of_the_module(tmp_path: Path) -> None:
    (tmp_path / "src" / "shop").mkdir(parents=True)
    (tmp_path / "src" / "shop" / "stats.py").write_text("def mean(values):\n    return 1\n")
    found = asked_call("what is mean([1])?", Sources(tmp_path, ["src/shop/stats.py"]))
    assert found is not None
    assert found.module == "shop.stats"


def test_much_white_space_takes_no_time(sources: Sources) -> None:
    def ask(space: str) -> None:
        asked_call(f"what does find return for 2{space}x", sources)

    assert grows_linearly(ask, " ", 40_000)
