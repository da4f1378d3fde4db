"""A box is used again only while it says that it can be."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import pytest

from sandbox.box.contract import SandboxError
from sandbox.box.policy import BoxSpec
from sandbox.warm.box import BoxRun, Relay, WarmBox
from sandbox.warm.pool import BoxFailedError, Slot
from sandbox.warm.values import BOX_LIMITS, NOTHING, ProgramLimits

SPEC = BoxSpec(image_id="x", labels={})


class ScriptedBox(WarmBox):
    """Answers as told: clean, dirty, or not at all."""

    def __init__(self, script: str, seen: list[str]) -> None:
        super().__init__("", SPEC, BOX_LIMITS, programs=10)
        self._script = script
        self._seen = seen

    def __enter__(self) -> Self:
        self._seen.append(f"start {self._script}")
        return self

    def __exit__(self, *_: object) -> None:
        self._seen.append(f"stop {self._script}")

    def serves(self, timeout_s: float) -> bool:
        return self._script != "dirty" and timeout_s < 100

    def run(
        self,
        roles: Sequence[Mapping[str, Any]],
        limits: ProgramLimits,
        *,
        relay: Relay | None = None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> BoxRun:
        if self._script == "broken":
            raise SandboxError("no answer")
        self._seen.append(f"run {len(roles)}")
        return BoxRun(
            ended="exited",
            statuses=[0],
            oom_kills=0,
            seconds=0.1,
            clean=self._script == "clean",
            reports=[[]],
            stdout=NOTHING,
            stderr=NOTHING,
        )


def run_all(scripts: Sequence[str], times: int) -> list[str]:
    seen: list[str] = []
    boxes = iter([ScriptedBox(script, seen) for script in scripts])
    slot = Slot()
    for _ in range(times):
        try:
            slot.run(lambda: next(boxes), [{}], ProgramLimits(), relay=None, stopped=lambda: False)
        except BoxFailedError as failure:
            seen.append(str(failure))
    slot.close()
    return seen


def test_a_clean_box_is_used_again() -> None:
    assert run_all(["clean"], 3) == ["start clean", "run 1", "run 1", "run 1", "stop clean"]


def test_a_box_with_anything_left_in_it_is_replaced() -> None:
    assert run_all(["dirty", "clean"], 2) == [
        "start dirty", "run 1", "stop dirty", "start clean", "run 1", "stop clean",
    ]  # fmt: skip


def test_a_broken_box_is_removed_at_once() -> None:
    assert run_all(["broken", "clean"], 2) == [
        "start broken", "stop broken", "no answer", "start clean", "run 1", "stop clean",
    ]  # fmt: skip


def test_what_a_callback_raises_is_raised_and_the_box_removed() -> None:
    def refuse() -> WarmBox:
        raise KeyError("callback")

    with pytest.raises(KeyError):
        Slot().run(refuse, [{}], ProgramLimits(), relay=None, stopped=lambda: False)
