"""A definition is simplified by ruff alone where it knows how; the rest of the file stays, and so do comments."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.fixing.sources import Sources
from agent.refactoring.asked import asked_refactoring
from agent.refactoring.planned import RefactoringError
from agent.refactoring.planning import plan_refactoring

_NESTED = "def {}(n):\n    if n > 3:\n        return True\n    else:\n        return False\n"
_PLAIN = "def {}(n):\n    return n > 3\n"


def _tidied(root: Path, request: str, text: str) -> str:
    (root / "big.py").write_text(text)
    asked = asked_refactoring(request)
    assert asked is not None
    assert asked.kind == "tidy"
    return plan_refactoring(asked, Sources(root, ["big.py"])).texts["big.py"]


@pytest.mark.parametrize(
    "request_",
    [
        "make is_big nicer",
        "clean up is_big a bit",
        "please simplify the function is_big",
        "tidy up is_big in big.py",
    ],
)
def test_the_named_function_alone_is_simplified(tmp_path: Path, request_: str) -> None:
    text = f"{_NESTED.format('is_big')}\n\n{_NESTED.format('other')}"
    assert (
        _tidied(tmp_path, request_, text)
        == f"{_PLAIN.format('is_big')}\n\n{_NESTED.format('other')}"
    )


def test_a_named_file_is_simplified_whole(tmp_path: Path) -> None:
    text = f"{_NESTED.format('is_big')}\n\n{_NESTED.format('other')}"
    assert _tidied(tmp_path, "simplify big.py", text) == text.replace(
        _NESTED.format("is_big"), _PLAIN.format("is_big")
    ).replace(_NESTED.format("other"), _PLAIN.format("other"))


def test_the_settings_of_the_project_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "ruff.toml").write_text("[lint]\nignore = ['SIM']\n")
    assert _tidied(tmp_path, "simplify is_big", _NESTED.format("is_big")) == _PLAIN.format("is_big")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (_PLAIN.format("is_big"), "knows no simpler form"),
        (_NESTED.format("other"), "not defined"),
        (
            "import os\n\n\ndef is_big(p):\n    try:\n        os.remove(p)\n    except OSError:\n        pass\n",
            "no simpler",
        ),
        ("def is_big(v):\n    return v == 'a' or v == 'b'\n", "no simpler"),
        ("class is_big:\n    debug = False\n    port = 1\n    debug = True\n", "no simpler"),
        (
            "def is_big(n):\n    if n:\n        # why\n        return True\n    return False\n",
            "would be lost|no simpler",
        ),
    ],
)
def test_where_there_is_nothing_to_simplify_the_model_is_asked(
    tmp_path: Path, text: str, said: str
) -> None:
    with pytest.raises(RefactoringError, match=said):
        _tidied(tmp_path, "simplify is_big", text)


@pytest.mark.parametrize(
    "request_", ["make it nicer", "clean up the imports", "tidy up everything", "make load faster"]
)
def test_a_wish_for_more_or_less_is_left_to_the_model(request_: str) -> None:
    assert asked_refactoring(request_) is None
