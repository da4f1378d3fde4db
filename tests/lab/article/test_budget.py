from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from lab.article.budget import Part, load_states, run_all, run_alone, save_states, time_for
from lab.article.published import Experiment
from learning.errors import LearningError


def part(
    name: Experiment, start: Callable[[], Coroutine[Any, Any, object]] | None, reason: str = ""
) -> Part:
    return Part(experiment=name, share=1.0, start=start, reason=reason)


async def ended() -> None:
    pass


async def endless() -> None:
    await asyncio.Event().wait()


async def failing() -> None:
    raise LearningError("no such model")


async def out_of_time_itself() -> None:
    raise TimeoutError("the server did not answer")


def run(*parts: Part, budget_s: float = 30.0) -> dict[Experiment, str]:
    return asyncio.run(run_all(parts, budget_s=budget_s, on_state=lambda _name, _state: None))


def test_one_that_takes_too_long_is_stopped_and_the_next_begins() -> None:
    found = run(part("mmlu", endless), part("humaneval", ended), budget_s=0.02)
    assert found["mmlu"].startswith("stopped after its 0 s; the same command goes on")
    assert found["humaneval"] == "done"


def test_one_that_fails_says_so_and_the_next_begins() -> None:
    found = run(part("mmlu", failing), part("humaneval", out_of_time_itself), part("gsm8k", ended))
    assert found == {
        "mmlu": "ended with an error: no such model",
        "humaneval": "ended with an error: the server did not answer",
        "gsm8k": "done",
    }


def test_one_that_cannot_start_says_why_and_takes_no_time() -> None:
    missing, other = part("mmlu", None, reason="no file"), part("humaneval", ended)
    assert run(missing, other) == {"mmlu": "not run: no file", "humaneval": "done"}
    assert time_for([missing, other], 60.0) == 0.0
    assert time_for([other, missing], 60.0) == 60.0


def test_time_that_is_left_over_goes_to_the_later_ones() -> None:
    parts = [
        Part(experiment="mmlu", share=0.5, start=ended),
        Part(experiment="humaneval", share=0.25, start=ended),
        Part(experiment="gsm8k", share=0.25, start=ended),
    ]
    assert time_for(parts, 100.0) == 50.0
    assert time_for(parts[1:], 90.0) == 45.0
    assert time_for(parts[2:], 80.0) == 80.0
    assert time_for(parts[2:], -1.0) == 0.0


def test_how_each_ended_is_kept_for_the_report(tmp_path: Path) -> None:
    assert load_states(tmp_path) == {}
    save_states(tmp_path, {"mmlu": "done"})
    assert load_states(tmp_path) == {"mmlu": "done"}


def test_one_that_was_run_by_itself_since_is_no_longer_one_that_was_not_run(tmp_path: Path) -> None:
    run_alone(tmp_path, "gsm8k")
    assert load_states(tmp_path) == {}
    save_states(tmp_path, {"mmlu": "done", "gsm8k": "not run: no file"})
    run_alone(tmp_path, "gsm8k")
    assert load_states(tmp_path) == {"mmlu": "done", "gsm8k": "done"}
