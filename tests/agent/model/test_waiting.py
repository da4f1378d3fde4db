"""While nothing comes it is said what is waited for; a server that does nothing is given up."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.errors import ReplyTimeoutError
from agent.events import Event, Notice, Progress, StageStarted
from agent.model.answer import Answer
from agent.model.http_client import Endpoint
from agent.model.http_model import HttpModel
from agent.model.process_work import ProcessWork, work_of
from agent.model.protocol import Model
from agent.model.waiting import Patience, Watch
from agent.turn.asking import ask
from learning.records import Message, Sampling
from tests.fakes.openai_server import FakeServer, Scripted, failure, serve, text

HELLO = (Message(role="user", content="say hello"),)
AT_ONCE = Patience(tell_s=0.02, idle_s=0.1, backoff_s=0.0)


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with serve(FakeServer()) as running:
        yield running


@pytest.fixture
def stopped() -> Iterator[int]:
    """A process that does nothing."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process.pid
        process.kill()


async def told(model: Model) -> list[Event]:
    events: list[Event] = []
    await ask(model, HELLO, sampling=Sampling(max_tokens=64), emit=events.append)
    return events


def stages(events: list[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, StageStarted)]


def connect(server: FakeServer, pid: int | None = None) -> HttpModel:
    endpoint = Endpoint(root=server.url, name="m", context_length=4096, pid=pid)
    return HttpModel(endpoint, patience=AT_ONCE)


async def test_waiting_is_a_stage_of_its_own_with_the_time_it_takes(server: FakeServer) -> None:
    server.script = [Scripted(pieces=("hi",), delay_s=0.3)]
    async with connect(server) as model:
        events = await told(model)
    waits, answers = stages(events)
    assert waits.startswith("waiting for the first word of m: it reads the prompt")
    assert answers == "m answers"
    assert any(isinstance(event, Progress) and event.unit == "s" for event in events)


async def test_a_server_that_comes_at_once_is_not_waited_for(server: FakeServer) -> None:
    server.script = [text("a", "b")]
    endpoint = Endpoint(root=server.url, name="m", context_length=4096)
    async with HttpModel(endpoint) as model:
        assert stages(await told(model)) == []


async def test_asking_again_is_said_with_the_reason(server: FakeServer) -> None:
    server.script = [failure(429, "slow down"), text("hi")]
    async with connect(server) as model:
        said = stages(await told(model))
    again = next(text for text in said if text.endswith("asking again"))
    assert "too many requests (HTTP 429: slow down)" in again


async def test_a_server_whose_process_does_nothing_is_given_up(
    server: FakeServer, stopped: int
) -> None:
    server.script = [Scripted(pieces=("late",), delay_s=30)]
    async with connect(server, stopped) as model:
        with pytest.raises(ReplyTimeoutError, match=f"hangs.*kill -9 {stopped}"):
            await told(model)


class Script:
    """A process whose work at each look is given, ten seconds apart."""

    def __init__(self, *works: ProcessWork) -> None:
        self._works = iter(works)
        self.now = 0.0

    def watch(self, *, thought: str = "") -> Watch:
        answer = Answer(model="m", adapter=None, sampling=Sampling())
        if thought:
            answer.add({"choices": [{"delta": {"reasoning": thought}}]})
        endpoint = Endpoint(root="http://h", name="m", context_length=99, pid=7)
        return Watch(
            endpoint=endpoint,
            answer=answer,
            patience=Patience(),
            work=lambda _pid: next(self._works, None),
            clock=self._clock,
        )

    def _clock(self) -> float:
        self.now += 10
        return self.now


def cpu(seconds: float, page_reads: int = 0) -> ProcessWork:
    return ProcessWork(cpu_s=seconds, page_reads=page_reads)


def test_a_starved_server_is_named_and_waited_for() -> None:
    watch = Script(*(cpu(0.5 * look) for look in range(100))).watch()
    said = [watch.looked() for _ in range(100)]
    assert "hardly gets processor time: the machine is busy" in said[-1]


def test_a_server_that_reads_its_model_from_the_disk_is_waited_for() -> None:
    watch = Script(*(cpu(0, page_reads=look) for look in range(100))).watch()
    for _ in range(100):
        watch.looked()


def test_a_server_that_works_again_begins_anew() -> None:
    watch = Script(*[cpu(0)] * 6, *[cpu(9)] * 6).watch()
    said = [watch.looked() for _ in range(12)]
    assert "does nothing" in said[1]
    assert "does nothing" not in said[6]


def test_a_minute_without_any_work_is_enough() -> None:
    watch = Script(*[cpu(0)] * 8).watch()
    for _ in range(6):
        watch.looked()
    with pytest.raises(ReplyTimeoutError, match="no work for 60 s"):
        watch.looked()


def test_a_thinking_model_is_said_to_think() -> None:
    assert "thinks before it answers" in Script().watch(thought="hm").looked()


def test_the_work_of_children_counts() -> None:
    before = work_of(os.getpid())
    burn = "import time\nwhile time.process_time() < 0.3: pass\nprint(flush=True)\ninput()"
    with subprocess.Popen(
        [sys.executable, "-c", burn], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        after = work_of(os.getpid())
        child.kill()
    assert before is not None
    assert after is not None
    assert after.since(before).cpu_s >= 0.25


def test_a_process_that_is_not_there_has_no_work(tmp_path: Path) -> None:
    assert work_of(7, proc=tmp_path) is None


def thinking(finish: str) -> Scripted:
    raw = (
        b'data: {"choices": [{"delta": {"reasoning_content": "Hm"}}]}\n\n'
        b'data: {"choices": [{"delta": {}, "finish_reason": "%s"}]}\n\ndata: [DONE]\n\n'
    )
    return Scripted(raw=raw % finish.encode())


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (thinking("length"), r"all 64 tokens .* by thinking .* raise turn\.max_reply_tokens"),
        (thinking("stop"), "only thought and gave no answer: switch its thinking off"),
        (Scripted(pieces=("<think>Hm",), finish="length"), r"turn\.max_reply_tokens"),
    ],
)
async def test_a_model_that_only_thought_is_told_with_what_to_do(
    server: FakeServer, reply: Scripted, said: str
) -> None:
    server.script = [reply]
    async with connect(server) as model:
        events = await told(model)
    (notice,) = (event for event in events if isinstance(event, Notice))
    assert notice.level == "warning"
    assert re.search(said, notice.text)


async def test_a_thought_before_an_answer_is_no_fault(server: FakeServer) -> None:
    server.script = [text("<think>Hm</think>hi")]
    async with connect(server) as model:
        assert not any(isinstance(event, Notice) for event in await told(model))
