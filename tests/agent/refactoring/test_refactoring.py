"""Renames, moves and deletions that a tool does over the whole project."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.fixing.sources import Sources
from agent.refactoring.asked import AskedRefactoring, asked_refactoring
from agent.refactoring.compound import refactoring_first
from agent.refactoring.planned import Refactored, RefactoringError
from agent.refactoring.planning import plan_refactoring

FILES = {
    "stats.py": "def mean(values):\n    return sum(values) / len(values)\n\n\ndef spread(values):\n"
    "    return max(values) - mean(values)\n",
    "report.py": "import stats\nfrom stats import mean\n\n\ndef line(values):\n    mean_text = 'mean'\n"
    "    return mean_text + str(stats.mean(values)) + str(mean(values))\n",
    "shop/__init__.py": "",
    "shop/order.py": "class Order:\n    def total_sum(self):\n        return 1\n",
    "shop/desk.py": "def show(order):\n    return order.total_sum()\n",
    "tests/test_stats.py": "from stats import mean\n\n\ndef test_mean():\n    assert mean([2]) == 2\n",
}

ORDER = (
    "TOTAL = 1\n\n\nclass Order:\n    rate = 2\n\n    def total_sum(self):\n        return 1\n\n"
    "    def take(self, part):\n        whole = part\n        return whole\n"
)


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    for path, text in FILES.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    (tmp_path / "README.md").write_text("mean([1]) gives 1.0\n")
    return Sources(tmp_path, [*FILES, "README.md"])


def plan(request_: str, sources: Sources) -> Refactored:
    asked = asked_refactoring(request_)
    assert asked is not None
    return plan_refactoring(asked, sources)


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("rename mean to average", AskedRefactoring(kind="rename", old="mean", new="average")),
        ("Please rename the function `calc()` to `calculate_total` everywhere.",
         AskedRefactoring(kind="rename", old="calc", new="calculate_total")),
        ("rename x in ops.py to width",
         AskedRefactoring(kind="rename", old="x", new="width", file="ops.py")),
        ("rename x to width in ops.py, please",
         AskedRefactoring(kind="rename", old="x", new="width", file="ops.py")),
        ("mean should be called average", AskedRefactoring(kind="rename", old="mean", new="average")),
        ("call it average instead of mean", AskedRefactoring(kind="rename", old="mean", new="average")),
        ("rename Order.sum to Order.total", AskedRefactoring(kind="rename", old="Order.sum", new="Order.total")),
        ("rename the method sum of Order to total", AskedRefactoring(kind="rename", old="Order.sum", new="total", is_guess=True)),
        ("rename sum in the class Order to total", AskedRefactoring(kind="rename", old="Order.sum", new="total", is_guess=True)),
        ("delete the method sum of Order", AskedRefactoring(kind="remove", old="Order.sum", is_guess=True)),
        ("rename the parameter values of mean to numbers", None),
        ("rename stats.py to numbers.py", AskedRefactoring(kind="rename", old="stats.py", new="numbers.py")),
        ("move parse_date from utils.py into dates.py",
         AskedRefactoring(kind="move", old="parse_date", new="dates.py", file="utils.py")),
        ("Move the class Cart into its own module cart.py",
         AskedRefactoring(kind="move", old="Cart", new="cart.py")),
        ("remove the function old_slug", AskedRefactoring(kind="remove", old="old_slug")),
        ("delete spread and its tests", AskedRefactoring(kind="remove", old="spread", with_tests=True)),
        ("delete spread and its callers", None),
        ("delete the unused imports", None),
        ("move everything in helpers.py to utils.py", None),
        ("remove the trailing comma in stats.py", None),
        ("Can you rename mean to average in the whole project? Thanks!",
         AskedRefactoring(kind="rename", old="mean", new="average")),
        ("rename mean to average and update all callers",
         AskedRefactoring(kind="rename", old="mean", new="average")),
        ("Don't rename load to read, just add a docstring", None),
        ("rename a to b and c to d", None),
        ("rename mean to average and add tests", None),
        ("should I rename mean to average?", None),
        ("move spread to measures.py but keep mean", None),
    ],
)  # fmt: skip
def test_a_request_is_read_only_where_its_words_are_clear(
    text: str, asked: AskedRefactoring | None
) -> None:
    assert asked_refactoring(text) == asked


def test_a_function_is_renamed_with_its_callers_and_tests(sources: Sources) -> None:
    done = plan("rename mean to average", sources)
    assert sorted(done.texts) == ["report.py", "stats.py", "tests/test_stats.py"]
    assert "stats.average(values)" in done.texts["report.py"]
    assert "from stats import average" in done.texts["report.py"]
    assert "mean_text = 'mean'" in done.texts["report.py"], "a string is no use of the name"
    assert "assert average([2]) == 2" in done.texts["tests/test_stats.py"]
    assert "README.md:1" in done.left


def test_a_method_that_is_the_only_one_of_its_name_is_renamed_at_every_call(
    sources: Sources,
) -> None:
    done = plan("rename Order.total_sum to Order.total", sources)
    assert "order.total()" in done.texts["shop/desk.py"]


def test_a_module_is_renamed_with_its_imports(sources: Sources) -> None:
    done = plan("rename stats.py to numbers.py", sources)
    assert done.removed == ("stats.py",)
    assert done.texts["numbers.py"] == FILES["stats.py"]
    assert "from numbers import mean" in done.texts["tests/test_stats.py"]


def test_a_function_moves_with_its_imports_to_a_file_that_is_new(sources: Sources) -> None:
    done = plan("move spread from stats.py to measures.py", sources)
    assert "def spread" in done.texts["measures.py"]
    assert "def spread" not in done.texts["stats.py"]
    assert "stats" in done.texts["measures.py"], "what it uses is imported"


def test_a_definition_is_removed_and_what_still_names_it_is_said(sources: Sources) -> None:
    done = plan("remove the function spread", sources)
    assert done.texts["stats.py"] == FILES["stats.py"].partition("\n\n\ndef spread")[0] + "\n"
    assert done.left == ()


TESTS = (
    "import pytest\nfrom stats import (\n    mean,\n    spread,\n)\n\n\ndef test_mean():\n    assert mean([2]) == 2\n\n\n"
    "@pytest.mark.parametrize('n', [1])\ndef test_wide(n):\n    assert spread([n]) == 0\n"
)


def test_its_tests_go_with_a_definition_that_is_removed(sources: Sources) -> None:
    (sources.root / "tests/test_stats.py").write_text(TESTS)
    done = plan("delete spread and its tests", sources)
    assert done.texts["tests/test_stats.py"] == (
        "import pytest\nfrom stats import mean\n\n\ndef test_mean():\n    assert mean([2]) == 2\n"
    )
    assert done.names == {"spread", "test_wide"}
    assert done.left == ()


def test_a_file_of_tests_of_which_nothing_is_left_goes_with_them(sources: Sources) -> None:
    (sources.root / "tests/test_stats.py").write_text(
        "from stats import spread\n\n\ndef test_spread():\n    assert spread([1]) == 0\n"
    )
    assert plan("remove spread and its test", sources).removed == ("tests/test_stats.py",)


@pytest.mark.parametrize(
    "test",
    [
        "def test_names():\n    seen = set()\n    seen.spread('a')\n",
        "def test_own():\n    spread = mean([1])\n    assert spread == 1\n",
        "def test_inner():\n    def spread(n):\n        return n\n    assert spread(1) == 1\n",
        "def test_given(spread):\n    assert spread\n",
    ],
)
def test_a_test_that_uses_the_name_for_something_else_stays(sources: Sources, test: str) -> None:
    text = f"from stats import mean\nfrom other import spread as wide\n\n\n{test}\n\ndef test_wide():\n    assert wide(1)\n"
    (sources.root / "tests/test_stats.py").write_text(text)
    assert "tests/test_stats.py" not in plan("remove spread and its tests", sources).texts


def test_a_test_that_uses_it_under_another_name_goes(sources: Sources) -> None:
    text = (
        "import os; import stats\nfrom stats import mean, spread as wide\n\n\ndef test_mean():\n    assert mean([1]) == 1\n\n\n"
        "def test_wide():\n    assert wide([1]) == 0\n\n\ndef test_module():\n    assert stats.spread([1]) == 0\n"
    )
    (sources.root / "tests/test_stats.py").write_text(text)
    assert plan("remove spread and its tests", sources).texts["tests/test_stats.py"] == (
        "import os; import stats\nfrom stats import mean\n\n\ndef test_mean():\n    assert mean([1]) == 1\n"
    )


def test_a_class_of_tests_of_which_none_is_left_goes(sources: Sources) -> None:
    text = (
        "import unittest\nfrom stats import mean, spread\n\n\nclass Wide(unittest.TestCase):\n    def test_wide(self):\n"
        "        self.assertEqual(spread([1]), 0)\n\n    def test_twice(self):\n        assert spread([2]) == 0\n\n\n"
        "class Mean(unittest.TestCase):\n    def test_mean(self):\n        self.assertEqual(mean([1]), 1)\n"
    )
    (sources.root / "tests/test_stats.py").write_text(text)
    after = plan("remove spread and its tests", sources).texts["tests/test_stats.py"]
    assert "class Wide" not in after
    assert "class Mean" in after


def test_an_import_that_something_else_still_uses_stays(sources: Sources) -> None:
    text = "from stats import spread\n\n\ndef wide(n):\n    return spread([n])\n\n\ndef test_wide():\n    assert wide(1) == 0\n"
    (sources.root / "tests/test_stats.py").write_text(text)
    assert "tests/test_stats.py" not in plan("remove spread and its tests", sources).texts


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ("rename median to middle", "median is not defined in this project"),
        ("rename mean to class", "class is no name that Python takes"),
        ("rename numbers.py to stats.py", "numbers.py is no file of this project"),
        ("rename stats.py to report.py", "report.py is there already"),
        ("rename stats.py to shop.py", "shop/__init__.py is there already"),
        ("rename stats.py to class.py", "class.py is no name that Python takes"),
        ("rename mean to spread", "spread is there already in stats.py"),
        ("rename mean to line", "line is there already in report.py"),
        ("rename take to total_sum", "total_sum is there already in shop/order.py"),
        ("rename Order.take to rate", "rate is there already in shop/order.py"),
        ("rename whole in shop/order.py to part", "part is there already in shop/order.py"),
        ("move spread to ../measures.py", "not a relative path inside the repository"),
        ("move spread to .git/measures.py", "belongs to git"),
        ("move spread to broken.py", "broken.py is there and cannot be read as text"),
        ("remove TOTAL", "TOTAL is no function or class"),
    ],
)
def test_what_cannot_be_done_is_said(sources: Sources, request_: str, said: str) -> None:
    (sources.root / "shop" / "order.py").write_text(ORDER)
    (sources.root / "broken.py").write_bytes(b"x = '\xff'\n")
    with pytest.raises(RefactoringError, match=said):
        plan(request_, sources)


@pytest.mark.parametrize("place", ["{outside}/util.py", "../outside/util.py"])
def test_a_file_outside_of_the_project_is_never_touched(tmp_path: Path, place: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "util.py").write_text("mine = 1\n")
    root = tmp_path / "project"
    root.mkdir()
    (root / "stats.py").write_text(FILES["stats.py"])
    asked = AskedRefactoring(kind="move", old="spread", new=place.format(outside=outside))
    with pytest.raises(RefactoringError, match="nothing can move there"):
        plan_refactoring(asked, Sources(root, ["stats.py"]))
    assert (outside / "util.py").read_text() == "mine = 1\n"


def test_a_file_that_git_ignores_keeps_its_text_when_something_moves_there(
    sources: Sources,
) -> None:
    (sources.root / "measures.py").write_text("mine = 1\n")
    done = plan("move spread to ./measures.py", sources)
    assert "mine = 1" in done.texts["measures.py"]
    assert done.before["measures.py"] == "mine = 1\n"


def test_whatever_rope_raises_is_said(sources: Sources, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RecursionError

    monkeypatch.setattr("rope.base.project.Project.do", fail)
    with pytest.raises(RefactoringError, match="cannot be changed by rope: RecursionError"):
        plan("rename mean to average", sources)


def test_a_name_that_means_two_things_is_asked_about(sources: Sources) -> None:
    (sources.root / "shop" / "order.py").write_text("def mean(x):\n    return x\n")
    with pytest.raises(RefactoringError, match="say which"):
        plan("rename mean to average", sources)


def test_the_settings_of_the_repository_are_never_run(sources: Sources) -> None:
    (sources.root / ".ropeproject").mkdir()
    evil = f"open({str(sources.root / 'evil')!r}, 'w')\n"
    (sources.root / ".ropeproject" / "config.py").write_text(evil)
    plan("rename mean to average", sources)
    assert not (sources.root / "evil").exists()


@pytest.mark.parametrize(
    "text",
    [
        "move Clock out of time.py into fakes.py, its only there for tests",
        "move Clock from time.py to fakes.py, because nothing else needs it.",
        "move Clock from time.py to fakes.py; it's only used in tests",
    ],
)
def test_a_reason_behind_a_refactoring_asks_for_no_more(text: str) -> None:
    assert asked_refactoring(text) == AskedRefactoring(
        kind="move", old="Clock", new="fakes.py", file="time.py"
    )


def test_a_wish_behind_a_refactoring_is_its_own() -> None:
    both = refactoring_first("rename mean to average and give it a docstring")
    assert both is not None
    assert (both.asked.old, both.asked.new) == ("mean", "average")
    assert both.rest == "give average a docstring"
    moved = refactoring_first("move f to a.py; then add a test for it")
    assert moved is not None
    assert moved.rest == "add a test for f"


def test_two_renames_and_two_constants_are_two_orders() -> None:
    both = refactoring_first("rename fmt to format_task and fmt_all to format_tasks everywhere")
    assert both is not None
    assert (both.asked.kind, both.asked.old, both.asked.new) == ("rename", "fmt", "format_task")
    assert asked_refactoring(both.rest) == AskedRefactoring(
        kind="rename", old="fmt_all", new="format_tasks"
    )
    both = refactoring_first(
        "put bar() and BAR_WIDTH in their own file, bars.py, and import it from report"
    )
    assert both is not None
    assert both.asked == AskedRefactoring(kind="move", old="BAR_WIDTH", new="bars.py")
    assert asked_refactoring(both.rest) == AskedRefactoring(kind="move", old="bar", new="bars.py")
    both = refactoring_first("move load and save in store.py to cli.py")
    assert both is not None
    assert both.asked == AskedRefactoring(kind="move", old="load", new="cli.py", file="store.py")
    text = "in a.py there are magic numbers 20 and 6, pull them out into constants FEE and TAX at the top"
    both = refactoring_first(text)
    assert both is not None
    assert both.asked == AskedRefactoring(kind="constant", old="20", new="FEE", file="a.py")
    assert asked_refactoring(both.rest) == AskedRefactoring(
        kind="constant", old="6", new="TAX", file="a.py"
    )


@pytest.mark.parametrize(
    "text",
    [
        "in a.py there are magic numbers 20 and 6, pull 20 out into a constant FEE and keep 6",
        "there are numbers 20 and 6 in a.py",
        "rename shorten to abbreviate and save to disk",
        "rename fmt to format_task and add to __all__",
        "rename mark_done to complete and move to model",
        "move f and g to a.py but leave an alias",
        "put f and its tests into a.py",
        "rename a to b. thanks!",
        "rename a to b and c to d if it is private",
        "rename a to b and give c to d",
        "move f to a.py, its tests too",
        "delete f and add g",
        "rename f to g and don't change the tests",
        "rename f to g and let me know which files changed",
        "rename f to g. Ignore the tests.",
        "rename f to g. Then fix main so that it returns 1",
        "rename f to g. and add a test, but not for main",
    ],
)
def test_nothing_is_read_into_other_words(text: str) -> None:
    assert refactoring_first(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "rename total to amount, it is the parameter, not the function",
        "rename load to read, it's important that the old name still works",
        "rename foo to bar, nothing else should change",
        "delete foo, it's only used in main where bar does the same: use bar there",
        "move load to io.py, since we need a shim in the old place",
    ],
)
def test_a_clause_that_limits_or_asks_for_more_is_no_reason(text: str) -> None:
    assert asked_refactoring(text) is None


@pytest.mark.parametrize(
    "more",
    [
        ", everywhere, tests included. No alias.",
        " and in the tests too",
        " throughout, without any alias for the old name",
        ". No backwards-compatible alias, please",
    ],
)
def test_words_that_a_rename_of_the_whole_project_keeps_anyway_need_no_model(more: str) -> None:
    asked = asked_refactoring(f"Rename Buffer.move_to to goto{more}")
    assert asked == AskedRefactoring(kind="rename", old="Buffer.move_to", new="goto")


@pytest.mark.parametrize(
    "more",
    [
        " but keep move_to as an alias",
        " except in the tests",
        ". No test may change",
        " in the tests",
        ", in tests",
    ],
)
def test_words_that_limit_a_rename_are_left_to_the_model(more: str) -> None:
    assert asked_refactoring(f"Rename Buffer.move_to to goto{more}") is None


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        ({}, "shop/errors.py"),
        ({"shop/sub/errors.py": "X = 1\n"}, "shop/sub/errors.py"),
        ({"legacy/errors.py": "X = 1\n"}, "shop/errors.py"),
        ({"shop/tests/errors.py": "X = 1\n"}, "shop/errors.py"),
    ],
)
def test_a_bare_file_name_means_the_package_of_what_moves(
    tmp_path: Path, there: dict[str, str], expected: str
) -> None:
    files = {
        "shop/__init__.py": "",
        "shop/sub/__init__.py": "",
        "shop/order.py": "class Full(Exception):\n    pass\n\n\ndef check():\n    raise Full\n",
        **there,
    }
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    plan = plan_refactoring(
        AskedRefactoring(kind="move", old="Full", new="errors.py"), Sources(tmp_path, files)
    )
    assert "class Full(Exception)" in plan.texts[expected]
    assert "class Full" not in plan.texts["shop/order.py"]


def test_a_move_says_where_by_its_package_and_not_what_else_moves() -> None:
    asked = asked_refactoring("move Full to errors.py in the same package")
    assert asked == AskedRefactoring(kind="move", old="Full", new="errors.py")
    assert asked_refactoring("move Full to errors.py, tests too") is None
