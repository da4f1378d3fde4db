"""Failures by an API: what is missing, and which successor is believed."""

from __future__ import annotations

import pytest

from agent.contexts.failures import ApiFailure, changes_of, missing_in, question_of
from learning.contexts.change import ApiChange, ChangeKind, Grounds, surest


def failure(
    message: str, code: str = "", exception: str = "AttributeError", **more: object
) -> ApiFailure:
    repaired = more.get("repaired", ())
    assert isinstance(repaired, tuple)
    return ApiFailure(
        exception=exception,
        message=message,
        code=code,
        request=str(more.get("request", "")),
        repaired=repaired,
    )


@pytest.mark.parametrize(
    ("message", "code", "missing"),
    [
        ("module 'numpy' has no attribute 'trapz'", "", ("name", "numpy", "trapz", "")),
        (
            "'ExprStringNameSpace' object has no attribute 'strip'. Did you mean: 'strip_chars'?",
            *("", ("name", "ExprStringNameSpace", "strip", "strip_chars")),
        ),
        (
            "percentile() got an unexpected keyword argument 'interpolation'",
            *("", ("keyword", "percentile", "interpolation", "")),
        ),
        (
            "got an unexpected keyword argument 'squared'",
            "mean_squared_error(a, b, squared=False)",
            ("keyword", "mean_squared_error", "squared", ""),
        ),
        (
            "use of `how='outer'` should be replaced with `how='full'`.",
            *("", ("value", "", "outer", "full")),
        ),
        (
            "Invalid frequency: M. ValueError(\"'M' is no longer supported for offsets. Please use 'ME' instead.\")",
            "s.resample('M')",
            ("value", "", "M", "ME"),
        ),
        (
            "the argument 'columns' for 'DataFrame.pivot' was deprecated and has been removed. It was renamed to 'on'.",
            "a.pivot(columns='b')",
            ("keyword", "pivot", "columns", "on"),
        ),
        (
            "`np.alltrue` was removed in the NumPy 2.0 release. Use `np.all` instead.",
            "np.alltrue(a)",
            ("name", "", "alltrue", "all"),
        ),
    ],
)
def test_an_error_names_what_is_missing(message: str, code: str, missing: tuple[str, ...]) -> None:
    found = missing_in(failure(message, code))
    assert found is not None
    assert (found.kind, found.holder, found.name, found.said) == missing


@pytest.mark.parametrize(
    "message",
    ["'list' object has no attribute 'ndim'", "division by zero", "[Errno 2] No such file: 'a b'"],
)
def test_errors_of_another_kind_are_about_no_api(message: str) -> None:
    assert missing_in(failure(message, "f(a)")) is None


def best(of: ApiFailure, *candidates: tuple[str, str, str]) -> list[ApiChange]:
    missing = missing_in(of)
    assert missing is not None
    assert question_of(missing, of)["name"] == missing.name
    answer = {
        "library": "polars",
        "version": "2",
        "candidates": [{"name": n, "why": w, "about": a} for n, w, a in candidates],
    }
    return list(changes_of(missing, of, answer))


def test_the_request_decides_between_names_that_are_spelled_alike() -> None:
    text = "'StringNameSpace' object has no attribute 'len'"
    found = best(
        failure(text, request="Return the number of characters of each word."),
        ("len_bytes", "spelling", "Return the number of bytes."),
        ("len_chars", "spelling", "Return the number of characters."),
    )
    assert [each.new for each in found] == ["len_chars", "len_bytes"]


def test_a_verified_repair_says_which_call_took_the_place_of_a_keyword() -> None:
    found = best(
        failure(
            "NDFrame.fillna() got an unexpected keyword argument 'method'",
            "a.fillna(method='ffill')",
            repaired=("a.ffill()",),
        )
    )
    assert [(each.old, each.new, each.kind, each.grounds) for each in found] == [
        ("fillna(method='ffill')", "ffill", ChangeKind.CALL, Grounds.REPAIRED)
    ]


@pytest.mark.parametrize(
    ("message", "repaired", "new"),
    [
        ("'T' object has no attribute 'seconds'. Did you mean: 'second'?", True, "total_seconds"),
        ("'T' object has no attribute 'seconds'. Did you mean: 'second'?", False, "second"),
        ("`seconds` was removed; use `second` instead", True, "second"),
    ],
)
def test_a_verified_repair_is_surer_than_a_name_that_python_guesses(
    message: str, repaired: bool, new: str
) -> None:
    fix = ("a.dt.total_seconds()",) if repaired else ()
    found = best(failure(message, "a.dt.seconds()", repaired=fix))
    sure = surest(found)
    assert sure is not None
    assert sure.new == new


def test_the_same_name_elsewhere_is_a_function_of_the_module() -> None:
    found = best(
        failure("'DataFrame' object has no attribute 'concat'"),
        ("polars.concat", "moved", "Combine frames."),
    )
    assert found[0].kind is ChangeKind.FUNCTION


@pytest.mark.parametrize(
    ("message", "code", "fix", "api"),
    [
        (
            "DataFrame.pivot() got an unexpected keyword argument 'column_by'",
            "b = a.pivot(index='x', column_by='month', values='v', agg='sum')",
            "b = a.pivot(index='x', on=pl.col('month')).sort(by='x')",
            "polars.pivot(column_by=) -> pivot(on=)",
        ),
        (
            "DataFrame.to_dicts() got an unexpected keyword argument 'as_series'",
            "b = a.to_dicts(as_series=True)\nreturn_it(b)",
            "c = a.head()\nb = a.to_dicts()\nd = a.tail()",
            "polars.to_dicts.to_dicts(as_series=True) -> to_dicts",
        ),
        (
            "'DataFrame' object has no attribute 'append'",
            "import pandas as pd\nb = a.append(c, ignore_index=True)\nd = a.x()",
            "import pandas as pd\nb = pd.concat([a, c], ignore_index=True)\nd = a.y()",
            "polars.DataFrame.append -> pandas.concat",
        ),
        (
            "'Series' object has no attribute 'get_at'",
            "b = a.get_at(places)",
            "b = a.gather(places).to_list()",
            "polars.Series.get_at -> gather",
        ),
    ],
)
def test_a_fix_shows_the_successor_with_the_same_object_and_data(
    message: str, code: str, fix: str, api: str
) -> None:
    assert best(failure(message, code, repaired=(fix,)))[0].api == api


@pytest.mark.parametrize(
    ("message", "code", "fix"),
    [
        (
            "f() got an unexpected keyword argument 'squared'",
            "b = f(x, squared=False)",
            "b = f(x) ** 0.5",
        ),
        (
            "f() got an unexpected keyword argument 'by'",
            "b = f(x, by='month')",
            "b = f(x, strict=True).g().h()",
        ),
        (
            "'DataFrame' object has no attribute 'append'",
            "b = a.append(c)",
            "b = a.copy()\nb.loc[len(b)] = c",
        ),
        (
            "'Series' object has no attribute 'collect'",
            "import math\nb = a.collect()",
            "import math\nb = math.prod(c)",
        ),
    ],
)
def test_a_fix_that_does_something_else_names_no_successor(
    message: str, code: str, fix: str
) -> None:
    assert best(failure(message, code, repaired=(fix,))) == []


@pytest.mark.parametrize(
    ("message", "code", "fix", "wrong"),
    [
        (
            "'DataFrame' object has no attribute 'append'",
            "def f(df, other):\n    return df.append(other)\n",
            "def f(df, other):\n    rows = [df]\n    rows.extend(other)\n    return rows\n",
            "extend",
        ),
        (
            "NDFrame.to_csv() got an unexpected keyword argument 'line_terminator'",
            "df.to_csv(p, line_terminator='x')\nprint(p)",
            "df.to_csv(p)\nprint(p, end='')",
            "end",
        ),
        (
            "NDFrame.fillna() got an unexpected keyword argument 'method'",
            "b = a.fillna(method='ffill')\nprint(c)",
            "b = [*a]\nprint(c.ffill())",
            "ffill",
        ),
    ],
)
def test_what_a_fix_has_more_on_another_object_or_function_is_no_successor(
    message: str, code: str, fix: str, wrong: str
) -> None:
    assert wrong not in [each.new for each in best(failure(message, code, repaired=(fix,)))]


@pytest.mark.parametrize(
    ("message", "code", "fix", "api"),
    [
        (
            "module 'numpy' has no attribute 'trapz'",
            "import numpy as np\na = np.trapz(heights, dx=1)",
            "import numpy\na = numpy.trapezoid(heights)",
            "polars.numpy.trapz -> trapezoid",
        ),
        (
            "'DataFrame' object has no attribute 'with_row_number'",
            "df = pl.DataFrame(names)\ndf = df.with_row_number().to_dicts()",
            "df = pl.DataFrame(names)\ndf = df.with_row_index(name='nr')\na = df.to_dicts()",
            "polars.DataFrame.with_row_number -> with_row_index",
        ),
        (
            "'Series' object has no attribute 'cumsum'",
            "a = pl.Series(values).cumsum().to_list()",
            "s = pl.Series(values)\nt = s.cum_sum(reverse=False)\na = t.to_list()",
            "polars.Series.cumsum -> cum_sum",
        ),
        (
            "DataFrame.pivot() got an unexpected keyword argument 'column_by'",
            "b = a.pivot(index='x', column_by='month')",
            "b = a.pivot(index='x', on=names)",
            "polars.pivot(column_by=) -> pivot(on=)",
        ),
    ],
)
def test_what_a_fix_has_more_on_the_same_object_or_function_is_the_successor(
    message: str, code: str, fix: str, api: str
) -> None:
    assert best(failure(message, code, repaired=(fix,)))[0].api == api


@pytest.mark.parametrize("nested", ["-" * 20_000 + "1", "1" + "+1" * 2_000])
def test_code_that_is_nested_too_deeply_names_no_successor(nested: str) -> None:
    message = "f() got an unexpected keyword argument 'by'"
    fixed = f"b = f(x)\nc = {nested}"
    assert best(failure(message, "b = f(x, by='month')", repaired=(fixed,))) == []
