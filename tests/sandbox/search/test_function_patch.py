"""Functions that differ between two sources of a file, and changes that ask for a new import instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.search.inside.function_patch import ChangedModule, Functions

TEXT = """\
from __future__ import annotations

LIMIT = 3


def double(n: int = 1) -> int:
    def twice() -> int:
        return n + n
    return twice()


class Cart:
    size = 2

    @property
    def total(self) -> int:
        return self.size * LIMIT


def last() -> int:
    return 1
"""


def differing(tmp_path: Path, old: str, new: str) -> list[str] | None:
    file = tmp_path / "shop.py"
    file.write_text(TEXT)
    found = ChangedModule(str(file)).functions(TEXT.replace(old, new).encode())
    return None if found is None else [f"{name}:{line}" for name, line, _ in found]


@pytest.mark.parametrize(
    ("old", "new", "function"),
    [
        ("n + n", "n * 2", "double:6"),
        ("return twice()", "return twice() + 1", "double:6"),
        ("self.size * LIMIT", "self.size + LIMIT", "total:15"),
        ("    return 1\n", "    x = 1\n    return x\n", "last:20"),
        ("        return self.size", "        print()\n        return self.size", "total:15"),
    ],
)
def test_a_change_inside_a_function_names_the_function(
    tmp_path: Path, old: str, new: str, function: str
) -> None:
    assert differing(tmp_path, old, new) == [function]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("LIMIT = 3", "LIMIT = 4"),
        ("size = 2", "size = 4"),
        ("n: int = 1", "n: int = 2"),
        ("@property", "@staticmethod"),
        ("    return twice()\n", "    return twice()\n\n\nx = 1\n"),
        ("def last", "def first"),
        ("return 1", "return ("),
    ],
)
def test_any_other_change_asks_for_a_new_import(tmp_path: Path, old: str, new: str) -> None:
    assert differing(tmp_path, old, new) is None


def test_a_function_gets_other_code_unless_it_has_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "patched_shop.py"
    file.write_text(TEXT + "\n\nFIRST = last()\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    functions = Functions(str(tmp_path))
    functions.watch()
    import patched_shop  # type: ignore[import-not-found]

    functions.gather()
    source = ChangedModule(str(file))

    def changed(old: str, new: str) -> list[list[object]]:
        found = source.functions(file.read_text().replace(old, new).encode())
        return [list(item) for item in found or []]

    assert functions.replace(str(file), [*changed("* LIMIT", "* 7"), *changed("n + n", "n * 5")])
    assert (patched_shop.double(2), patched_shop.Cart().total) == (10, 14)
    assert not functions.replace(str(file), changed("return 1", "return 8"))
    assert patched_shop.last() == 1
