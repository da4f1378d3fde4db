"""The broken repositories of the benchmark: real tasks, and a run that goes on where it ended."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.fixloop import in_turn, read_rows, summary
from benchmarks.fixloop_tasks import Mutation, build, load_mutations, problem_of

MUTATIONS = load_mutations()


def test_there_are_thirty_different_tasks_of_six_kinds() -> None:
    assert len({item.id for item in MUTATIONS}) == 30
    assert Counter(item.kind for item in MUTATIONS) == {
        "off_by_one": 6,
        "swapped_argument": 5,
        "missing_import": 5,
        "wrong_api": 7,
        "wrong_default": 3,
        "deleted_function": 4,
    }


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda item: item.id)
def test_a_mutation_changes_one_file_and_no_test(mutation: Mutation, tmp_path: Path) -> None:
    build(tmp_path / "whole", mutation, broken=False)
    build(tmp_path / "broken", mutation)
    changed = [
        str(path.relative_to(tmp_path / "whole"))
        for path in (tmp_path / "whole").rglob("*.py")
        if path.read_bytes()
        != (tmp_path / "broken" / path.relative_to(tmp_path / "whole")).read_bytes()
    ]
    assert changed == [mutation.file]
    assert "test" not in mutation.file


@pytest.mark.slow
@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda item: item.id)
def test_the_whole_package_passes_and_the_broken_one_fails(mutation: Mutation) -> None:
    assert problem_of(mutation) == ""


def test_a_line_that_was_cut_off_is_run_again(tmp_path: Path) -> None:
    out = tmp_path / "rows.jsonl"
    out.write_text(f'{json.dumps(_row())}\n{{"task": "b", "ar')
    assert read_rows(out) == [_row()]
    assert "solved 1 of 1" in summary(read_rows(out), "retries")


def _row(task: str = "a", arm: str = "retries", *, solved: bool = True) -> dict[str, object]:
    return {"task": task, "arm": arm, "model": "m", "solved": solved, "at_once": False,
            "never_worse": True, "seconds": 2.0, "prompt_tokens": 100,
            "completion_tokens": 10}  # fmt: skip


def test_an_arm_is_compared_task_by_task() -> None:
    rows = [_row("a", solved=False), _row("b"), _row("only here"), _row("a", "hints"),
            _row("b", "hints", solved=False)]  # fmt: skip
    line, versus = summary(rows, "hints").splitlines()
    assert "solved 1 of 2" in line
    assert "1 wins, 1 losses on 2 tasks, p = 1.000" in versus


def test_kinds_take_turns() -> None:
    assert len({item.kind for item in in_turn(MUTATIONS)[:6]}) == 6
    assert set(in_turn(MUTATIONS)) == set(MUTATIONS)
