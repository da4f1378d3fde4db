"""A question that speaks of an entry of a table or of a constant is answered with its value in view."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.fixing.sources import Sources
from agent.session.values import named_values

_TEXT = '''"""Units."""

MILLILITRES = {"ml": 1, "cup": 250, "big cup": 500}
RETRY_LIMIT: int = 3
NAMES = ["cup"]
LONG = {"essay": "%s"}


def cup():
    return {"cup": 1}
''' % ("x" * 200)


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    (tmp_path / "units.py").write_text(_TEXT)
    (tmp_path / "test_units.py").write_text('CUP = {"cup": 0}\n')
    return Sources(tmp_path, ["test_units.py", "units.py"])


@pytest.mark.parametrize(
    ("question", "told"),
    [
        (
            "how many ml is one cup?",
            ("units.py:3: MILLILITRES['ml'] is 1", "units.py:3: MILLILITRES['cup'] is 250"),
        ),
        ("what's the retry limit", ("units.py:4: RETRY_LIMIT is 3",)),
        ("what is the limit", ()),
        ("what does the function do?", ()),
    ],
)
def test_the_values_are_found(sources: Sources, question: str, told: tuple[str, ...]) -> None:
    assert named_values(question, sources) == told


def test_a_long_value_is_cut(sources: Sources) -> None:
    (said,) = named_values("where is the essay?", sources)
    assert said.endswith("xx …")
    assert len(said) < 120
