"""The call that a question is about is found in its words, with nothing but literals in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.fixing.sources import Sources
from agent.session.trying import asked_call


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "stats.py").write_text(
        "def mean(values):\n    return 1\n\n\ndef find(a, b=0):\n    return a\n\n\n"
        "def pair(a, b):\n    return a, b\n"
    )
    return Sources(tmp_path, ["shop/stats.py"])


@pytest.mark.parametrize(
    ("question", "call"),
    [
        ("what does mean return for an empty list?", "mean([])"),
        ("what happens if mean is given None?", "mean(None)"),
        ("what is mean([1, 2])?", "mean([1, 2])"),
        ("what does `find('x', b=2)` return", "find('x', b=2)"),
        ('does mean return 0 for ""', 'mean("")'),
        ("what does find return for 2 and 3?", "find(2, 3)"),
        ("what does find give for 'a', an empty list?", "find('a', [])"),
        ("what does find return for 2?", "find(2)"),
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
        "what does mean({[1]: 2}) return?",
        f"what does mean({'-' * 30000}1) return?",
    ],
)
def test_anything_else_is_not_called(sources: Sources, question: str) -> None:
    assert asked_call(question, sources) is None
