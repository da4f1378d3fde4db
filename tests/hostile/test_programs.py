"""Every hostile program ends as it should in both shapes of box, and the next one finds nothing."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from sandbox.box.accounting import program_status
from sandbox.box.contract import Captured, Ending, Execution, Job, Limits, SourceFile
from sandbox.box.docker_box import DockerSandbox
from sandbox.box.status import Status
from sandbox.warm.pool import WarmSandbox
from sandbox.warm.values import Program, ProgramLimits
from tests.hostile.programs import CLEAN, PROGRAMS, Hostile

pytestmark = pytest.mark.docker

BOXES = 3
"""Most time goes by until those that never end are ended, so several may wait for that together."""
GRACE_S = 4.0
"""Beyond its limit, on a busy machine, until a program is gone."""
ONE_AFTER_THE_OTHER = """
import json, os, subprocess, sys, tempfile
for line in sys.stdin:
    code, timeout_s = json.loads(line)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        path = os.path.join(folder, "main.py")
        with open(path, "wb") as file:
            file.write(code.encode())
        with open("/box/said", "w+b") as said:
            done = subprocess.run([sys.executable, "-S", path], cwd=folder, timeout=timeout_s,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said)
            said.seek(0)
            print(json.dumps([done.returncode, said.read(2000).decode("utf-8", "replace")]), flush=True)
"""


def limits(timeout_s: float) -> Limits:
    return Limits(
        timeout_s=timeout_s,
        memory_mib=512,
        cpus=1.0,
        pids=64,
        work_mib=64,
        output_kib=64,
        output_limit_mib=8,
    )


def test_there_are_enough_programs() -> None:
    assert len({program.name for program in PROGRAMS}) == len(PROGRAMS) >= 96


@pytest.fixture
async def box(sandbox_image: str, tmp_path: Path) -> AsyncIterator[DockerSandbox]:
    lock_dir = tmp_path / "locks"
    async with DockerSandbox(sandbox_image, session="hostile", lock_dir=lock_dir) as opened:
        yield opened


async def in_warm_box(
    image_id: str, lock_dir: Path, programs: Sequence[Hostile]
) -> list[tuple[str, Status, str]]:
    """Run the programs one after the other in one box; what was not as it should be."""
    wrong: list[tuple[str, Status, str]] = []
    async with WarmSandbox(image_id, session="hostile", lock_dir=lock_dir) as warm:
        for hostile in programs:
            allowed = ProgramLimits(timeout_s=hostile.timeout_s)
            result = await warm.run_program(Program(source=hostile.code, limits=allowed))
            kept = len(result.stdout.data) + len(result.stderr.data)
            if result.status not in hostile.warm or kept > (hostile.kept or kept):
                wrong.append((hostile.name, result.status, result.note))
            if result.duration_s > hostile.timeout_s + GRACE_S:
                wrong.append((f"{hostile.name}: too late", result.status, str(result.duration_s)))
            after = await warm.run_program(Program(source=CLEAN))
            if after.status is not Status.PASS:
                wrong.append((f"after {hostile.name}", after.status, after.note))
    return wrong


async def test_the_warm_box_holds_them_all(sandbox_image: str, tmp_path: Path) -> None:
    parts = [PROGRAMS[start::BOXES] for start in range(BOXES)]
    found = await asyncio.gather(
        *(in_warm_box(sandbox_image, tmp_path / "locks", part) for part in parts)
    )
    assert [entry for part in found for entry in part] == []


async def once(box: DockerSandbox, hostile: Hostile) -> Execution:
    return await box.run(
        Job(
            argv=["python3", "main.py"],
            files=[SourceFile(path="main.py", content=hostile.code.encode())],
            limits=limits(hostile.timeout_s),
        )
    )


async def wrongly_ended(box: DockerSandbox, programs: Sequence[Hostile]) -> list[tuple[str, str]]:
    """Run each in a box of its own; those that have to end by themselves keep the processors."""
    endless = [hostile for hostile in programs if Status.TIMEOUT in hostile.once]
    others = [hostile for hostile in programs if Status.TIMEOUT not in hostile.once]
    return [*await _wrong(box, endless, at_once=5), *await _wrong(box, others, at_once=2)]


async def _wrong(
    box: DockerSandbox, programs: Sequence[Hostile], *, at_once: int
) -> list[tuple[str, str]]:
    gate = asyncio.Semaphore(at_once)

    async def one(hostile: Hostile) -> tuple[str, str] | None:
        async with gate:
            execution = await once(box, hostile)
        status = program_status(execution)
        kept = len(execution.stdout.data) + len(execution.stderr.data)
        late = execution.duration_s > hostile.timeout_s + GRACE_S
        if status in hostile.once and not late and kept <= (hostile.kept or kept):
            return None
        return hostile.name, f"{status} after {execution.duration_s:.1f} s, {execution.stderr.text}"

    return [entry for entry in await asyncio.gather(*map(one, programs)) if entry]


async def test_one_shot_boxes_hold_those_that_work_on_the_whole_box(box: DockerSandbox) -> None:
    assert await wrongly_ended(box, [hostile for hostile in PROGRAMS if hostile.alone]) == []
    job = Job(
        argv=["python3", "main.py"],
        files=[SourceFile(path="main.py", content=CLEAN.encode())],
        limits=limits(20),
    )
    assert (await box.run(job)).succeeded


async def one_after_the_other(
    box: DockerSandbox, programs: Sequence[Hostile]
) -> list[tuple[str, int, str]]:
    orders = "".join(json.dumps([p.code, p.timeout_s + GRACE_S]) + "\n" for p in programs)
    execution = await box.run(
        Job(argv=["python3", "-c", ONE_AFTER_THE_OTHER], stdin=orders.encode(), limits=limits(120))
    )
    assert execution.succeeded, execution.stderr.text
    ends = [json.loads(line) for line in execution.stdout.text.splitlines()]
    return [
        (program.name, code, said)
        for program, (code, said) in zip(programs, ends, strict=True)
        if program_status(_ended(code)) not in program.once
    ]


async def test_one_shot_boxes_hold_the_others_one_after_the_other(box: DockerSandbox) -> None:
    programs = [hostile for hostile in PROGRAMS if not hostile.alone]
    halves = (programs[::2], programs[1::2])
    found = await asyncio.gather(*(one_after_the_other(box, half) for half in halves))
    assert [entry for half in found for entry in half] == []


def _ended(code: int) -> Execution:
    nothing = Captured(head=b"")
    return Execution(
        argv=(),
        ending=Ending.EXITED,
        exit_code=code,
        stdout=nothing,
        stderr=nothing,
        duration_s=0.0,
        image_id="",
    )


@pytest.mark.slow
async def test_each_of_them_alone_in_a_one_shot_box(box: DockerSandbox) -> None:
    assert await wrongly_ended(box, PROGRAMS) == []


@pytest.mark.slow
@pytest.mark.parametrize("round_", range(3))
async def test_in_any_order_again(sandbox_image: str, tmp_path: Path, round_: int) -> None:
    shuffled = random.Random(round_).sample(PROGRAMS, len(PROGRAMS))  # noqa: S311 - the same again
    assert await in_warm_box(sandbox_image, tmp_path / "locks", shuffled) == []
