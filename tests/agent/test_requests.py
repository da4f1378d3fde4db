"""Requests through the facade: what is done without the model, and what the model is shown."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agent.assistant import Assistant
from agent.events import (
    Event,
    Notice,
    ReplyFinished,
    RequestRead,
    TurnEnding,
    TurnFinished,
)
from agent.intent.wanted import Wanted
from agent.testing.project import ProjectTests
from sandbox.box.contract import EngineUnavailableError
from tests.agent.test_assistant import all_of, opened
from tests.fakes.openai_server import FakeServer, serve, text

MEAN = "def mean(values):\n    return sum(values) / len(values)\n"
USE = "from stats import mean\n\n\ndef line(values):\n    return str(mean(values))\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "stats.py").write_text(MEAN)
    (folder / "report.py").write_text(USE)
    (folder / "README.md").write_text("# Statistics\n")
    return folder


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with serve(FakeServer(script=[])) as running:
        yield running


@asynccontextmanager
async def without_sandbox(root: Path, server: FakeServer) -> AsyncIterator[Assistant]:
    """An assistant of a machine that has no container engine."""

    async def no_project(*_: object) -> ProjectTests:
        raise EngineUnavailableError("there is no engine")

    async with opened(root, server) as assistant:
        assistant._resources.project = no_project  # type: ignore[assignment, method-assign]
        yield assistant


def said(events: list[Event]) -> str:
    return " ".join(event.text for event in events if isinstance(event, Notice))


async def test_a_rename_needs_no_reply_and_one_undo_takes_it_back(
    root: Path, server: FakeServer
) -> None:
    async with without_sandbox(root, server) as assistant:
        events = await all_of(assistant.turn("rename mean to average"))
        assert "def average" in (root / "stats.py").read_text()
        assert "average(values)" in (root / "report.py").read_text()
        assert events[-1] == TurnFinished("done", TurnEnding.DONE)
        assert server.requests == []
        undone = assistant.workspace.undo()
    assert sorted(undone.paths) == ["report.py", "stats.py"]
    assert (root / "stats.py").read_text() == MEAN


async def test_a_name_that_is_not_there_changes_nothing_and_is_said(
    root: Path, server: FakeServer
) -> None:
    async with without_sandbox(root, server) as assistant:
        events = await all_of(assistant.turn("rename median to middle"))
    assert "median is not defined in this project" in said(events)
    assert "Nothing was changed." in said(events)
    assert isinstance(events[-1], TurnFinished)
    assert events[-1].ending is TurnEnding.FAILED


async def test_a_question_is_answered_with_the_code_it_is_about_and_changes_nothing(
    root: Path, server: FakeServer
) -> None:
    reply = "It raises.\n\nstats.py\n```python\ndef mean(values):\n    return 0\n```"
    server.script.append(text(reply))
    async with without_sandbox(root, server) as assistant:
        events = await all_of(assistant.turn("what does mean return for an empty list?"))
    read = next(event for event in events if isinstance(event, RequestRead))
    assert read.words == "a question"
    asked = str(server.requests[0]["messages"])
    assert "return sum(values) / len(values)" in asked
    assert (root / "stats.py").read_text() == MEAN
    assert "looked at" in said(events)


async def test_what_comes_on_standard_input_goes_along_and_says_nothing_of_what_is_wanted(
    root: Path, server: FakeServer
) -> None:
    server.script.append(text("It renames a file."))
    async with opened(root, server) as assistant:
        events = await all_of(
            assistant.turn("explain this diff", attached="fix everything\n--- a/x\n+++ b/y\n")
        )
    read = next(event for event in events if isinstance(event, RequestRead))
    assert read.wanted == Wanted.QUESTION
    assert "+++ b/y" in str(server.requests[0]["messages"])


SPREAD = f"{MEAN}\n\ndef spread(values):\n    return max(values) - mean(values)\n"
TESTS = (
    "from stats import mean, spread\n\n\ndef test_mean():\n    assert mean([1, 3]) == 2\n\n\n"
    "def test_spread():\n    assert spread([1, 5]) == 4\n"
)


@pytest.fixture
def tested(root: Path) -> Path:
    (root / "stats.py").write_text(SPREAD)
    (root / "test_stats.py").write_text(TESTS)
    return root


@pytest.mark.docker
async def test_a_failure_is_run_before_it_is_explained_and_no_claim_is_believed(
    tested: Path, server: FakeServer
) -> None:
    server.script.append(text("It takes the mean. With this correction the test should pass."))
    async with opened(tested, server) as assistant:
        events = await all_of(assistant.turn("why does test_spread fail?"))
    asked = str(server.requests[0]["messages"])
    assert "The tests were run just now." in asked
    assert "assert 2.0 == 4" in asked
    assert "Nothing was changed, so test_stats.py::test_spread still fails." in said(events)
    assert (tested / "stats.py").read_text() == SPREAD


@pytest.mark.docker
async def test_a_test_that_passes_is_not_explained_as_if_it_failed(
    tested: Path, server: FakeServer
) -> None:
    async with opened(tested, server) as assistant:
        events = await all_of(assistant.turn("why does test_mean fail?"))
    assert "test_stats.py::test_mean passes" in said(events)
    assert server.requests == []


@pytest.mark.docker
async def test_a_change_that_makes_a_test_red_is_taken_back(
    tested: Path, server: FakeServer
) -> None:
    worse = "def mean(values):\n    total = 0\n    for value in values:\n        total += value\n    return str(total)\n"
    server.script.append(text(f"stats.py\n```python\n{worse}```"))
    async with opened(tested, server) as assistant:
        events = await all_of(assistant.turn("rewrite mean in stats.py with a loop"))
    assert "became red" in said(events), "\n".join(map(str, events[-14:]))
    assert (tested / "stats.py").read_text() == SPREAD
    assert isinstance(events[-1], TurnFinished)
    assert events[-1].ending is TurnEnding.FAILED


@pytest.mark.docker
async def test_a_turn_that_changed_something_ends_with_one_line_on_what_it_came_to(
    tested: Path, server: FakeServer
) -> None:
    better = "def mean(values):\n    return sum(values) / len(values) if values else 0\n"
    server.script.append(text(f"stats.py\n```python\n{better}```"))
    async with opened(tested, server) as assistant:
        events = await all_of(assistant.turn("let mean return 0 for an empty list"))
    assert "Changed stats.py; tests before: 1 failed, 1 passed, now: 1 failed, 1 passed" in said(
        events
    )
    assert "/undo takes it back." in said(events)


@pytest.mark.docker
async def test_running_the_tests_needs_no_reply_and_gives_their_exit_code(
    tested: Path, server: FakeServer
) -> None:
    async with opened(tested, server) as assistant:
        events = await all_of(assistant.turn("run the tests"))
        assert "test_spread" in assistant.conversation.take_overheard()
    assert events[-1] == TurnFinished("done", TurnEnding.DONE, 1)
    assert server.requests == []


@pytest.mark.docker
async def test_a_question_about_a_call_is_answered_by_making_it(
    tested: Path, server: FakeServer
) -> None:
    async with opened(tested, server) as assistant:
        events = await all_of(assistant.turn("what does mean return for an empty list?"))
    assert server.requests == []
    assert "mean([]) was run just now: it raises ZeroDivisionError: division by zero." in said(
        events
    )


@pytest.mark.docker
async def test_a_request_for_tests_shows_how_the_code_is_called(
    tested: Path, server: FakeServer
) -> None:
    (tested / "stats.py").write_text(
        f"from collections import namedtuple\n\nPoint = namedtuple('Point', 'x y'.split())\n\n\n{MEAN}"
    )
    server.script = [text("No.")] * 5
    async with opened(tested, server) as assistant:
        await all_of(assistant.turn("write tests for mean"))
    asked = str(server.requests[0]["messages"])
    assert r"Called so:\nmean(values)\nPoint(x, y)" in asked


EXPLAINED = (
    "The list of values is empty. Its length is zero, and mean divides the sum of the values by that length in "
    "stats.py, which raises a NameError in the end. The caller, line in report.py, passes the empty list on."
)
TRACE = (
    "Traceback (most recent call last):\n"
    '  File "/home/ada/shop/report.py", line 5, in line\n    return str(mean(values))\n'
    '  File "/home/ada/shop/stats.py", line 2, in mean\n    return sum(values) / len(values)\n'
    "ZeroDivisionError: division by zero\n"
)


async def test_a_pasted_traceback_is_read_before_the_model_speaks_and_its_code_is_not_shown(
    root: Path, server: FakeServer
) -> None:
    reply = (
        f"{EXPLAINED}\n\nTo mend it, write this:\n\n"
        "```python\ndef mean(values):\n    return 0\n```\n\nNow all is well.\n"
    )
    server.script.append(text(reply))
    async with without_sandbox(root, server) as assistant:
        events = await all_of(assistant.turn(f"what does this mean?\n{TRACE}"))
    words = said(events)
    raised = "ZeroDivisionError: division by zero was raised at stats.py:2 in mean, by `return sum"
    assert raised in words
    assert raised in str(server.requests[0]["messages"])
    assert "NameError is named above, but not in the failure or the code" in words
    answer = next(event.text for event in events if isinstance(event, ReplyFinished))
    assert answer == EXPLAINED
    assert (root / "stats.py").read_text() == MEAN


async def test_a_traceback_of_code_that_has_changed_since_quotes_no_line(
    root: Path, server: FakeServer
) -> None:
    (root / "stats.py").write_text(f"import math\n\n{MEAN}")
    server.script.append(text("The list is empty."))
    async with without_sandbox(root, server) as assistant:
        events = await all_of(assistant.turn(f"explain this\n{TRACE}"))
    assert "was raised at stats.py:2 in mean." in said(events)


@pytest.mark.parametrize(
    ("request_", "taken", "after"),
    [
        (
            "mean is a bad name, call it average everywhere",
            "rename mean to average",
            {"stats.py": "def average", "report.py": "average(values)"},
        ),
        (
            "nobody needs line any more. throw it out",
            "delete line",
            {"stats.py": "def mean"},
        ),
        (
            "mean has no place in stats.py, move it to average.py",
            "move mean in stats.py to average.py",
            {"average.py": "def mean", "report.py": "from average import mean"},
        ),
    ],
)
async def test_a_wish_behind_a_remark_is_said_as_the_order_that_it_is_and_done(
    root: Path, server: FakeServer, request_: str, taken: str, after: dict[str, str]
) -> None:
    (root / "stats.py").write_text(f"{MEAN}\n\ndef size(values):\n    return len(values)\n")
    async with without_sandbox(root, server) as assistant:
        events = await all_of(assistant.turn(request_))
        assert f"taken as: {taken}" in said(events)
        assert server.requests == []
        for path, text_ in after.items():
            assert text_ in (root / path).read_text()
        assert ("def line" in (root / "report.py").read_text()) == ("line" not in taken)
        assistant.workspace.undo()
    assert (root / "report.py").read_text() == USE


async def test_who_uses_a_name_is_answered_from_the_files(root: Path, server: FakeServer) -> None:
    async with without_sandbox(root, server) as assistant:
        events = await all_of(assistant.turn("is mean tested anywhere?"))
        events += await all_of(assistant.turn("who calls mean?"))
    assert "`mean` stands in no test." in said(events)
    assert "report.py:5 in line: return str(mean(values))" in said(events)
    assert server.requests == []


async def test_the_values_that_a_question_names_go_along(root: Path, server: FakeServer) -> None:
    (root / "units.py").write_text("SIZES = {'cup': 250, 'spoon': 15}\n")
    server.script.append(text("250."))
    async with without_sandbox(root, server) as assistant:
        await all_of(assistant.turn("how much is a cup?"))
    assert "units.py:1: SIZES['cup'] is 250" in str(server.requests[0]["messages"])


@pytest.mark.docker
async def test_a_repair_without_a_name_is_of_the_red_test_that_shares_a_word_or_a_value(
    root: Path, server: FakeServer
) -> None:
    (root / "stats.py").write_text(
        "def amount(text):\n    return float(text.replace(',', ''))\n\n\ndef widest(values):\n    return min(values)\n"
    )
    (root / "test_stats.py").write_text(
        "from stats import amount, widest\n\n\ndef test_comma():\n    assert amount('1,5') == 1.5\n\n\n"
        "def test_the_wide_one():\n    assert widest([1, 7]) == 7\n"
    )
    async with opened(root, server) as assistant:
        events = await all_of(assistant.turn("it is never the wide one that comes out. please fix"))
    assert "taken to be about test_stats.py::test_the_wide_one" in said(events)
    assert "max(values)" in (root / "stats.py").read_text()
    assert "replace(',', '')" in (root / "stats.py").read_text()


async def test_a_rename_with_a_wish_behind_it_is_done_first_and_the_model_does_the_rest(
    root: Path, server: FakeServer
) -> None:
    documented = 'stats.py\n```python\ndef average(values):\n    """The mean."""\n    return sum(values) / len(values)\n```'
    server.script.append(text(documented))
    async with without_sandbox(root, server) as assistant:
        await all_of(assistant.turn("rename mean to average and give it a docstring"))
        assert '"""The mean."""' in (root / "stats.py").read_text()
        assert "str(average(values))" in (root / "report.py").read_text()
        assert "give average a docstring" in str(server.requests[0]["messages"])
        assistant.workspace.undo()
    assert (root / "stats.py").read_text() == MEAN


@pytest.mark.docker
async def test_a_repair_that_no_small_change_makes_is_written_by_the_model(
    root: Path, server: FakeServer
) -> None:
    (root / "test_stats.py").write_text(
        "from stats import median\n\n\ndef test_median():\n    assert median([5, 1, 3]) == 3\n"
    )
    whole = f"{MEAN}\n\ndef median(values):\n    return sorted(values)[len(values) // 2]\n"
    server.script += [text(f"stats.py\n```python\n{whole}```")] * 8
    async with opened(root, server) as assistant:
        events = await all_of(assistant.turn("make test_median pass"))
    assert (root / "stats.py").read_text() == whole
    assert isinstance(events[-1], TurnFinished)
    assert events[-1].ending is TurnEnding.DONE
