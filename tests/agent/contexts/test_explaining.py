"""Grounds for a successor that a library's own words and code give, on a small library and on real ones."""

from __future__ import annotations

import ast
import threading
from pathlib import Path

import pytest

from agent.contexts import explaining, forms
from agent.contexts.explaining import explained
from agent.contexts.failures import ApiFailure
from learning.contexts.change import ApiChange, ChangeKind, Grounds
from tests.fakes.here_sandbox import HereSandbox

SHOP = '''
def join_all(frames, ordered=False):
    """Put frames together.

    Examples
    --------
    Append a row to the end of a ``Frame``.

    >>> one = Frame([1])
    >>> join_all([one, Frame([2])])

    Sort a ``Frame`` while it is joined.

    >>> join_all([one], ordered=True)
    """


def square_error(truth, guess, weight=None):
    """Mean squared error."""


def root_square_error(truth, guess):
    """Root of the mean squared error."""


def word(text, pattern=None, length=3):
    """Check a word.

    Args:
        text: The word.
        pattern: A regex that it has to match.
        length: The count of letters to include.
    """


class Frame:
    """A table.

    Parameters
    ----------
    rows : list
        The values, one for each row of the only column.
    schema : list of str
        A list of column names.
    orient : str
        Reads the columns as rows or not.

    Examples
    --------
    >>> Frame([[1]], schema=["a"], orient="row")
    """

    def __init__(self, rows, schema=None, orient=None):
        self.rows = rows

    def melt_down(self):
        """Turn columns into rows.

        In other frameworks you might know this as `pivot_longer`.
        """

    def sort_rows(self):
        """Sort, as `arrange` would."""

    def with_row_place(self):
        """Add the number of each row."""

    def add_columns(self):
        """Add columns."""

    def group_by(self):
        """Group rows."""

    def len_chars(self):
        """Count characters."""

    def is_not_nan(self):
        """Tell which values are numbers, of a frame that is not empty."""

    def is_not_null(self):
        """Tell which values are there, of a frame that is not empty."""

    def read_from_list(self):
        """Read plain data."""

    def cumtotal(self):
        """Give the running total."""
'''


async def successor(tmp_path: Path, message: str, code: str, request: str = "") -> ApiChange | None:
    (tmp_path / "shop.py").write_text(SHOP)
    failure = ApiFailure(
        exception="AttributeError", message=message, code=f"import shop\n{code}", request=request
    )
    found, _ = await explained(HereSandbox(tmp_path), [failure], ["shop"])
    return found[0].change if found else None


@pytest.mark.parametrize(
    ("message", "code", "grounds", "api"),
    [
        (
            "'Frame' object has no attribute 'pivot_longer'",
            "shop.Frame([]).pivot_longer()",
            *(Grounds.ALIAS, "shop.Frame.pivot_longer -> melt_down"),
        ),
        (
            "'Frame' object has no attribute 'append'",
            "a.append(b)",
            *(Grounds.CAPTION, "shop.Frame.append -> shop.join_all"),
        ),
        (
            "word() got an unexpected keyword argument 'regex'",
            "shop.word('a', regex='b')",
            *(Grounds.DESCRIBED, "shop.word(regex=) -> word(pattern=)"),
        ),
        (
            "Frame.__init__() got an unexpected keyword argument 'columns'",
            "shop.Frame([[1]], columns=['a'])",
            *(Grounds.DESCRIBED, "shop.Frame(columns=) -> Frame(schema=)"),
        ),
        (
            "square_error() got an unexpected keyword argument 'squared'",
            "shop.square_error(a, b, squared=False)",
            Grounds.ASKED,
            "shop.square_error.square_error(squared=False) -> root_square_error",
        ),
        *(
            (
                f"'Frame' object has no attribute '{old}'",
                f"a.{old}()",
                *(Grounds.SPELLING, f"shop.Frame.{old} -> {new}"),
            )
            for old, new in (
                ("with_row_number", "with_row_place"),
                ("add_column", "add_columns"),
                ("groupby", "group_by"),
                ("len", "len_chars"),
            )
        ),
    ],
)
async def test_the_library_itself_says_what_takes_the_place(
    tmp_path: Path, message: str, code: str, grounds: Grounds, api: str
) -> None:
    found = await successor(tmp_path, message, code, "Return the root square error by one call.")
    assert found is not None
    assert (found.grounds, found.api) == (grounds, api)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("'Frame' object has no attribute 'arrange'", "a.arrange()"),
        ("'Frame' object has no attribute 'turn'", "a.turn()"),
        ("'Frame' object has no attribute 'is_not_empty'", "a.is_not_empty()"),
        ("'Frame' object has no attribute 'read_from_series'", "a.read_from_series()"),
        ("'Frame' object has no attribute 'total'", "a.total()"),
        (
            "word() got an unexpected keyword argument 'regex'",
            "shop.word('a', pattern='b', regex='c')",
        ),
        (
            "Frame.__init__() got an unexpected keyword argument 'columns'",
            "shop.Frame([[1]], columns='a')",
        ),
        ("word() got an unexpected keyword argument 'include'", "shop.word('a', include=2)"),
        ("word() got an unexpected keyword argument 'count'", "shop.word('a', count='b')"),
        (
            "square_error() got an unexpected keyword argument 'squared'",
            "shop.square_error(a, b, squared=False)",
        ),
    ],
)
async def test_words_that_say_less_are_no_grounds(tmp_path: Path, message: str, code: str) -> None:
    assert await successor(tmp_path, message, code, "Return the error's root, squared.") is None


async def test_a_fix_with_one_library_says_nothing_about_the_same_name_of_another(
    tmp_path: Path,
) -> None:
    (tmp_path / "shop.py").write_text("class Frame:\n    def extend_by(self, other): ...\n")
    (tmp_path / "stall.py").write_text("class Frame:\n    def put_below(self, other): ...\n")
    message = "'Frame' object has no attribute 'append'"

    def failed(imported: str, fix: str = "") -> ApiFailure:
        code = f"{imported}\na = b.append(c)"
        fixed = (code.replace("append", fix),) if fix else ()
        return ApiFailure(exception="AttributeError", message=message, code=code, repaired=fixed)

    failures = [
        failed("import stall"),
        failed("import shop", "extend_by"),
        failed("import math\nimport shop"),
    ]
    found, other = await explained(HereSandbox(tmp_path), failures, ["math", "shop", "stall"])
    assert [(each.change.api, len(each.failures)) for each in found] == [
        ("shop.Frame.append -> extend_by", 2)
    ]
    assert [each.missing for each in other] == ["stall.Frame.append"]


async def test_an_error_that_words_the_change_is_about_the_library_that_all_such_code_imports(
    tmp_path: Path,
) -> None:
    (tmp_path / "shop.py").write_text("")
    codes = ["import math\nimport shop\nshop.f('M')", "import shop\nshop.f('M')"]
    failures = [
        ApiFailure(
            exception="ValueError", message="'M' is no longer supported, use 'ME'", code=each
        )
        for each in codes
    ]
    found, _ = await explained(HereSandbox(tmp_path), failures, ["math", "shop"])
    assert [(each.change.api, len(each.failures)) for each in found] == [("shop: 'M' -> 'ME'", 2)]


@pytest.mark.slow
async def test_a_form_is_believed_that_fails_with_the_very_error_where_the_old_one_is_put(
    tmp_path: Path,
) -> None:
    failure = ApiFailure(
        exception="AttributeError",
        message="'DegreeView' object has no attribute 'values'",
        code="import networkx as nx\n\ndef f(edges):\n    return sorted(nx.Graph(edges).degree().values())\n",
    )
    found, unexplained = await explained(HereSandbox(tmp_path), [failure], ["networkx"])
    assert [(each.change.new, each.change.kind) for each in found] == [
        ("dict().values", ChangeKind.WRAP)
    ]
    assert unexplained == []


async def test_what_a_library_shows_is_parsed_once_and_beside_the_event_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shop.py").write_text("class View: ...\n")
    parsed: list[tuple[str, bool]] = []

    def parse(source: str) -> ast.Module:
        parsed.append((source, threading.current_thread() is threading.main_thread()))
        return ast.parse(source)

    async def harvested(*_: object, **__: object) -> tuple[str, list[dict[str, object]]]:
        return "1", [{"code": [["a = 1", ""]], "kind": "docstring", "name": "", "about": ""}]

    monkeypatch.setattr(forms, "parse_python", parse)
    monkeypatch.setattr(explaining, "harvest", harvested)
    failures = [
        ApiFailure(
            exception="AttributeError",
            message=f"'View' object has no attribute '{name}'",
            code=f"import shop\na.{name}()",
        )
        for name in ("values", "items")
    ]
    await explained(HereSandbox(tmp_path), failures, ["shop"])
    assert parsed == [("a = 1", False)]
