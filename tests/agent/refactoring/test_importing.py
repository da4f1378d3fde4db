"""A file that imported what moves by its name does so afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.fixing.sources import Sources
from agent.refactoring.asked import asked_refactoring
from agent.refactoring.importing import imported_by_name
from agent.refactoring.planned import RefactoringError
from agent.refactoring.planning import plan_refactoring

BEFORE = (
    "from subs import parse, strip\n\n\ndef test_strip():\n    assert strip('a') == parse('a')\n"
)
MOVED = "from subs import parse\nimport convert\n\n\ndef test_strip():\n    assert convert.strip('a') == parse('a')\n"


def test_uses_stay_as_they_were_written() -> None:
    after = imported_by_name(MOVED, BEFORE, "convert", "strip")
    assert after == BEFORE.replace("parse, strip\n", "parse\nfrom convert import strip\n")


@pytest.mark.parametrize(
    ("after", "before"),
    [
        (MOVED, BEFORE.replace("from subs import parse, strip", "import subs")),
        (MOVED + "\nconvert.other()\n", BEFORE),
        (MOVED, "import convert\n" + BEFORE),
        (MOVED.replace("import convert\n", "import convert, os\n"), BEFORE),
        (MOVED + "\n\ndef show(convert):\n    return convert.strip\n", BEFORE),
    ],
)
def test_where_the_module_is_used_for_more_it_stays(after: str, before: str) -> None:
    assert imported_by_name(after, before, "convert", "strip") == after


def test_texts_and_comments_stay() -> None:
    more = "\n\n# convert.strip\nPLACE = 'convert.strip'\n"
    after = imported_by_name(MOVED + more, BEFORE + more, "convert", "strip")
    assert after.endswith(more)
    assert "assert strip('a')" in after


def test_a_move_that_would_leave_an_import_inside_a_function_behind_is_refused(
    tmp_path: Path,
) -> None:
    files = {
        "subs.py": "def strip(text):\n    return text\n\n\ndef other():\n    return 1\n",
        "convert.py": "X = 1\n",
        "late.py": "def f():\n    from subs import strip as s\n    return s('a')\n",
    }
    for path, text in files.items():
        (tmp_path / path).write_text(text)
    asked = asked_refactoring("move strip to convert.py")
    assert asked is not None
    with pytest.raises(RefactoringError, match=r"late\.py would still import strip from subs\.py"):
        plan_refactoring(asked, Sources(tmp_path, sorted(files)))


def test_a_move_keeps_the_tests_as_they_are(tmp_path: Path) -> None:
    files = {
        "subs.py": "TAG = '<'\n\n\ndef parse(text):\n    return text\n\n\ndef strip(text):\n    return text.strip(TAG)\n",
        "convert.py": "from subs import strip\n\n\ndef plain(text):\n    return strip(text)\n",
        "test_subs.py": BEFORE,
    }
    for path, text in files.items():
        (tmp_path / path).write_text(text)
    asked = asked_refactoring("move strip to convert.py")
    assert asked is not None
    plan = plan_refactoring(asked, Sources(tmp_path, sorted(files)))
    assert "assert strip('a') == parse('a')" in plan.texts["test_subs.py"]
    assert "from convert import strip" in plan.texts["test_subs.py"]
