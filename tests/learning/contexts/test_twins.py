"""The stale twin of verified code: the old API in the places of the new one, and nothing else."""

from __future__ import annotations

import pytest

from learning.contexts.change import ApiChange, ChangeKind, Grounds
from learning.contexts.twins import stale_twin, successor_places


def change(
    kind: ChangeKind, old: str, new: str, holder: str = "", library: str = "lib"
) -> ApiChange:
    return ApiChange(
        library=library,
        version="1",
        holder=holder,
        old=old,
        new=new,
        kind=kind,
        grounds=Grounds.SAID,
    )


@pytest.mark.parametrize(
    ("asked", "code", "stale"),
    [
        (
            change(ChangeKind.NAME, "cumsum", "cum_sum"),
            "a = pl.col('é').cum_sum().cum_sum_of\n",
            "a = pl.col('é').cumsum().cum_sum_of\n",
        ),
        (
            change(ChangeKind.NAME, "suffix", "name.suffix"),
            "a = pl.all().name.suffix('_x')\n",
            "a = pl.all().suffix('_x')\n",
        ),
        (
            change(ChangeKind.NAME, "trapz", "trapezoid", library="numpy"),
            "from numpy import trapezoid\n\na = trapezoid([1])\n",
            "from numpy import trapz\n\na = trapz([1])\n",
        ),
        (
            change(ChangeKind.KEYWORD, "interpolation", "method", holder="percentile"),
            "a = np.percentile(b, 3, method='lower')\nc = other(method=1)\n",
            "a = np.percentile(b, 3, interpolation='lower')\nc = other(method=1)\n",
        ),
        (
            change(ChangeKind.VALUE, "outer", "full"),
            'a = b.join(c, how="full")\nd = "full"\n',
            'a = b.join(c, how="outer")\nd = "full"\n',
        ),
        (
            change(ChangeKind.CALL, "fillna(method='ffill')", "ffill"),
            "a = b.ffill()\nc = b.ffill(limit=1)\n",
            "a = b.fillna(method='ffill')\nc = b.ffill(limit=1)\n",
        ),
        (
            change(ChangeKind.FUNCTION, "ptp", "numpy.ptp"),
            "a = np.ptp(b, axis=0) + np.ptp([1, 2])\n",
            "a = b.ptp(axis=0) + ([1, 2]).ptp()\n",
        ),
        (
            change(ChangeKind.JOINED, "append", "pandas.concat"),
            "a = pd.concat([b, c], axis=0)\nd = pd.concat([b, c, e])\nf = pd.concat([b])\n",
            "a = b.append(c, axis=0)\nd = b.append([c, e])\nf = pd.concat([b])\n",
        ),
        (
            change(ChangeKind.VARIANT, "error(squared=False)", "root_error"),
            "from m import root_error\n\na = root_error(b, c)\n",
            "from m import error\n\na = error(b, c, squared=False)\n",
        ),
        (
            change(ChangeKind.VARIANT, "rows(named=True)", "rows"),
            "a = b.rows()\n",
            "a = b.rows(named=True)\n",
        ),
        (
            change(ChangeKind.VARIANT, "error(squared=False)", "root_error"),
            "a = root_error(b for b in c)\nd = root_error((b for b in c))\n",
            "a = error((b for b in c), squared=False)\nd = error((b for b in c), squared=False)\n",
        ),
        (
            change(ChangeKind.CHAIN, "sum(level=)", "groupby(level=).sum()"),
            "a = b.groupby(level='é').sum()\nc = b.groupby(level=0).mean()\n",
            "a = b.sum(level='é')\nc = b.groupby(level=0).mean()\n",
        ),
        (
            change(ChangeKind.WRAP, "values", "dict().values"),
            "a = sorted(dict(g.degree(1)).values())\n",
            "a = sorted(g.degree(1).values())\n",
        ),
    ],
)
def test_the_old_api_is_put_back_where_the_tree_has_the_new_one(
    asked: ApiChange, code: str, stale: str
) -> None:
    twin = stale_twin(code, asked)
    assert twin is not None
    assert twin.stale == stale
    assert all(code[start:end] for start, end in twin.names)


def test_the_places_of_the_new_name_are_those_in_the_code() -> None:
    code = "a = b.cum_sum() + c.cum_sum()\n"
    twin = stale_twin(code, change(ChangeKind.NAME, "cumsum", "cum_sum"))
    assert twin is not None
    assert [code[start:end] for start, end in twin.names] == ["cum_sum", "cum_sum"]


@pytest.mark.parametrize("code", ["a = b.other()\n", "a = (\n", "# cum_sum\n"])
def test_code_that_does_not_use_the_new_api_has_no_twin(code: str) -> None:
    assert stale_twin(code, change(ChangeKind.NAME, "cumsum", "cum_sum")) is None


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (change(ChangeKind.FUNCTION, "ptp", "numpy.ptp"), "a = np.ptp(b for b in c)\n"),
        (
            change(ChangeKind.VARIANT, "error(squared=False)", "root_error"),
            "a = root_error(b, (c))\n",
        ),
    ],
)
def test_a_twin_that_is_no_python_shows_nothing(asked: ApiChange, code: str) -> None:
    assert stale_twin(code, asked) is None


def test_code_that_is_nested_too_deeply_to_be_parsed_has_no_twin() -> None:
    code = "-" * 20_000 + "a.cum_sum()\n"
    assert stale_twin(code, change(ChangeKind.NAME, "cumsum", "cum_sum")) is None
    assert successor_places(code, change(ChangeKind.VARIANT, "f(a=1)", "f")) == ()


def test_a_change_has_the_same_line_for_every_context() -> None:
    asked = change(ChangeKind.KEYWORD, "a", "b", holder="f")
    assert asked.api == "lib.f(a=) -> f(b=)"


@pytest.mark.parametrize(
    ("asked", "written"),
    [
        (change(ChangeKind.JOINED, "append", "pandas.concat"), ["concat"]),
        (change(ChangeKind.VARIANT, "error(squared=False)", "root_error"), ["root_error"]),
        (change(ChangeKind.CHAIN, "sum(level=)", "groupby(level=).sum()"), ["groupby"]),
        (change(ChangeKind.WRAP, "values", "dict().values"), ["dict"]),
    ],
)
def test_the_places_of_another_form_are_its_new_name(asked: ApiChange, written: list[str]) -> None:
    code = (
        "a = pd.concat([b, c])\nd = m.root_error(a)\n"
        "e = a.groupby(level=0).sum()\nf = dict(g).values()\n"
    )
    twin = stale_twin(code, asked)
    assert twin is not None
    assert [code[start:end] for start, end in twin.names] == written


def test_a_successor_in_another_form_has_a_place_without_a_twin() -> None:
    asked, code = change(ChangeKind.JOINED, "append", "pandas.concat"), "a = pd.concat(frames)\n"
    assert stale_twin(code, asked) is None
    assert [code[start:end] for start, end in successor_places(code, asked)] == ["concat"]
    assert successor_places(code, change(ChangeKind.NAME, "append", "concat")) == ()
