"""Renames, moves and deletions that a tool does over the whole project."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.fixing.sources import Sources
from agent.refactoring.asked import AskedRefactoring, asked_refactoring
from agent.refactoring.planning import Refactored, RefactoringError, plan_refactoring

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
        ("mean should be called average", AskedRefactoring(kind="rename", old="mean", new="average")),
        ("call it average instead of mean", AskedRefactoring(kind="rename", old="mean", new="average")),
        ("rename Order.sum to Order.total", AskedRefactoring(kind="rename", old="Order.sum", new="Order.total")),
        ("rename stats.py to numbers.py", AskedRefactoring(kind="rename", old="stats.py", new="numbers.py")),
        ("move parse_date from utils.py into dates.py",
         AskedRefactoring(kind="move", old="parse_date", new="dates.py", file="utils.py")),
        ("Move the class Cart into its own module cart.py",
         AskedRefactoring(kind="move", old="Cart", new="cart.py")),
        ("remove the function old_slug", AskedRefactoring(kind="remove", old="old_slug")),
        ("delete the unused imports", None),
        ("move everything in helpers.py to utils.py", None),
        ("remove the trailing comma in stats.py", None),
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


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ("rename median to middle", "median is not defined in this project"),
        ("rename mean to class", "class is no name that Python takes"),
        ("rename numbers.py to stats.py", "numbers.py is no file of this project"),
    ],
)
def test_what_cannot_be_done_is_said(sources: Sources, request_: str, said: str) -> None:
    with pytest.raises(RefactoringError, match=said):
        plan(request_, sources)


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
