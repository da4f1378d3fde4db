from __future__ import annotations

import ast
import json
from collections import Counter
from pathlib import Path

import pytest

from lab.drift.notes import told_notes
from lab.drift.sets import (
    MOST_PER_CHANGE,
    load_tasks,
    outdated_errors,
    tasks_digest,
)
from lab.drift.tasks import drift_prompt, is_stale_error
from learning.evaluation.rows import DataError

EXAMPLES = Path(__file__).parents[3] / "lab" / "data"
FOLDERS = (EXAMPLES / "drift", EXAMPLES / "drift-tools")
TASKS = load_tasks(FOLDERS[0])
BOTH = [task for folder in FOLDERS for task in load_tasks(folder)]
TASK = """
library = "polars"
[[task]]
id = "one"
change = "old -> new"
split = "experience"
head = "def f(a: list[int]) -> int:"
ask = "Add."
check = "assert candidate([1]) == 1"
reference = "import polars as pl\\n\\ndef f(a):\\n    return pl.Series(a).sum()\\n"
stale = [["sum", "total"]]
"""


def write(folder: Path, text: str) -> Path:
    (folder / "tasks").mkdir()
    (folder / "tasks" / "a.toml").write_text(text, encoding="utf-8")
    return folder


def test_there_are_enough_tasks_over_enough_changes() -> None:
    changes = Counter(task.change for task in TASKS)
    halves = Counter(task.split for task in TASKS)
    assert len(TASKS) >= 120
    assert len(changes) >= 30
    assert max(changes.values()) <= MOST_PER_CHANGE
    assert halves["held-out"] >= 140 + halves["experience"]


def test_results_of_the_first_part_stay_comparable_when_the_set_grows() -> None:
    rows = Path(__file__).parents[3] / "docs" / "runs" / "drift-held-out-base" / "manifest.json"
    first = load_tasks(FOLDERS[0], "first")
    assert tasks_digest(first) == json.loads(rows.read_text())["data_sha256"]
    assert {*first, *load_tasks(FOLDERS[0], "plain")} == set(TASKS)


def test_the_libraries_are_those_that_people_use_in_applications_and_tools() -> None:
    assert {"polars", "pandas", "pydantic", "sqlalchemy"} <= {task.library for task in TASKS}
    tools = load_tasks(FOLDERS[1])
    assert {task.library for task in tools} == {"pytest", "textual", "typer"}
    assert len({task.id for task in BOTH}) == len(TASKS) + len(tools)


def test_every_change_is_learned_on_one_task_and_measured_on_another() -> None:
    for change in {task.change for task in BOTH}:
        here = [task for task in BOTH if task.change == change]
        assert {task.split for task in here} == {"experience", "held-out"}
        assert len({task.entry_point for task in here}) == len(here)
        assert len({task.ask for task in here}) == len(here)


def test_every_solution_defines_its_function_and_uses_the_library() -> None:
    for task in BOTH:
        for code in (task.reference, task.outdated):
            names = {n.name for n in ast.parse(code).body if isinstance(n, ast.FunctionDef)}
            assert task.entry_point in names, task.id
            assert task.uses_library(code), task.id
        assert task.reference != task.outdated, task.id


def test_no_prompt_shows_the_check() -> None:
    for task in BOTH:
        words = drift_prompt(task).messages[0].content
        assert task.check.strip() not in words
        assert task.ask in words


def test_what_is_told_names_the_right_api_of_every_change() -> None:
    told = told_notes(FOLDERS[0], TASKS)
    assert told.keys() == {task.id for task in TASKS}
    assert "np.trapezoid(" in told["numpy-trapezoid-2"]
    assert drift_prompt(TASKS[0], note="xyz").messages[0].content.endswith("xyz")


def test_a_change_of_which_nothing_is_told_is_named(tmp_path: Path) -> None:
    tasks = load_tasks(write(tmp_path, TASK))
    with pytest.raises(DataError, match="cannot be read"):
        told_notes(tmp_path, tasks)
    (tmp_path / "told.toml").write_text('"other" = "x"\n', encoding="utf-8")
    with pytest.raises(DataError, match="old -> new"):
        told_notes(tmp_path, tasks)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_task_was_verified_with_an_error_that_says_something(folder: Path) -> None:
    errors = outdated_errors(folder)
    assert errors.keys() == {task.id for task in load_tasks(folder)}
    assert all(len(error) > 20 for error in errors.values())


def test_the_stale_idiom_is_made_from_the_reference(tmp_path: Path) -> None:
    (task,) = load_tasks(write(tmp_path, TASK))
    assert "total()" in task.outdated
    assert "sum()" in task.reference
    assert task.entry_point == "f"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('split = "experience"', 'split = "test"', "the split is"),
        ('[["sum", "total"]]', '[["max", "total"]]', "not in its reference"),
        ('id = "one"', 'id = "one"\nhint = "x"', "hint"),
        ('ask = "Add."', "", "ask"),
        ("def f(a: list[int]) -> int:", "def f(a)", "head"),
        ('library = "polars"', "", "library"),
        ("[[task]]", "[[task", "not TOML"),
    ],
)
def test_a_wrong_task_is_named(tmp_path: Path, old: str, new: str, says: str) -> None:
    with pytest.raises(DataError, match=says):
        load_tasks(write(tmp_path, TASK.replace(old, new)))


def test_an_id_is_used_once(tmp_path: Path) -> None:
    twice = TASK + TASK.split('library = "polars"')[1]
    with pytest.raises(DataError, match="several drift tasks with the id one"):
        load_tasks(write(tmp_path, twice))


def test_a_change_has_a_few_tasks_at_most(tmp_path: Path) -> None:
    body = TASK.split('library = "polars"')[1]
    many = 'library = "polars"' + "".join(
        body.replace('"one"', f'"task-{number}"') for number in range(MOST_PER_CHANGE + 1)
    )
    with pytest.raises(DataError, match="More than 5"):
        load_tasks(write(tmp_path, many))


def test_a_folder_without_tasks_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no drift tasks"):
        load_tasks(tmp_path)


@pytest.mark.parametrize(
    ("error", "stale"),
    [
        ("the function raised AttributeError: 'DataFrame' object has no attribute 'groupby'", True),
        ("TypeError: sort() got an unexpected keyword argument 'reverse'", True),
        ("ImportError: cannot import name 'trapz' from 'scipy.integrate'", True),
        ("the function raised TypeError: unsupported operand type(s) for +", False),
        ("AssertionError (line 2 of the check: assert candidate([1]) == 1)", False),
        ("", False),
    ],
)
def test_stale_errors_are_those_of_missing_names_and_arguments(error: str, *, stale: bool) -> None:
    assert is_stale_error(error) is stale


def test_an_error_like_that_of_the_outdated_idiom_is_stale() -> None:
    recorded = "the function raised ValueError: Invalid frequency: M. 'M' is no longer supported"
    assert is_stale_error(recorded.replace("M", "Y"), recorded)
    assert not is_stale_error("the function raised ValueError: 3 is not in list", recorded)
