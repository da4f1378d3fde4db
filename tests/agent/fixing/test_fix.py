"""The fix loop: it keeps what helps, takes back everything else, and always says how it ended."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import given, settings, strategies as st

from agent.events import (
    AttemptStarted,
    EditApplied,
    EditReverted,
    Event,
    FixFinished,
    Notice,
    ReplyUnusable,
    TestsFinished,
)
from agent.fixing.fix import NOTHING_WANTED, fix
from agent.fixing.options import FixOptions
from agent.fixing.verify import State, solved_tests
from agent.model.protocol import ReplyRefusedError, ServerUnreachableError
from learning.experience.store import StoreError
from learning.records import Experience, Verdict
from sandbox.box.contract import EngineUnavailableError
from sandbox.verdict.report import RunStatus, TestReport, TestResult
from tests.fakes.model import Scripted, ScriptedModel
from tests.fakes.sandbox import FakeTestRunner, failed, only_of, passed, report, script

_E = TypeVar("_E")

LOOP = ("flags.py", 2, "loop")
NAMES = ("one", "two", "three")
IDS = {name: f"tests/test_flags.py::test_{name}" for name in NAMES}
TEST_FILE = "import flags\n\n\n" + "\n\n".join(
    f"def test_{name}():\n    assert flags.{name}\n" for name in NAMES
)


def flags(**values: bool) -> str:
    """A module of the made-up project; its tests pass where a flag is True."""
    return "".join(f"{name} = {values.get(name, False)}\n" for name in NAMES)


def reply(text: str) -> str:
    return f"```python\n{text}```"


@dataclass
class ListRecorder:
    kept: list[Experience] = field(default_factory=list)
    error: Exception | None = None

    def record(self, draft: Experience) -> object:
        if self.error is not None:
            raise self.error
        self.kept.append(draft)
        return None


class Project:
    """A folder whose tests are judged by looking at the text of its one module."""

    def __init__(self, root: Path, text: str) -> None:
        self.root = root
        self.module = root / "flags.py"
        self.files = ("flags.py", "tests/test_flags.py")
        (root / "tests").mkdir(exist_ok=True)
        (root / "tests" / "test_flags.py").write_text(TEST_FILE)
        self.module.write_text(text)
        self.more_frames: list[tuple[str, int, str]] = []

    def report(self, *, duration_s: float = 0.1) -> TestReport:
        text = self.module.read_text()
        return report(*(self.result(name, text) for name in NAMES), duration_s=duration_s)

    def result(self, name: str, text: str) -> TestResult:
        if f"{name} = True" in text:
            return passed(IDS[name])
        frames = [("tests/test_flags.py", 5, f"test_{name}"), *self.more_frames]
        differently = " in another way" if "marker" in text else ""
        return failed(IDS[name], f"assert flags.{name}{differently}", frames=frames)

    def runner(self, *, duration_s: float = 0.1) -> FakeTestRunner:
        def judge(only: Sequence[str]) -> TestReport:
            return only_of(self.report(duration_s=duration_s), only)

        return FakeTestRunner(judge=judge)


async def repaired(
    project: Project,
    model: ScriptedModel,
    *,
    runner: FakeTestRunner | None = None,
    recorder: ListRecorder | None = None,
    max_attempts: int = 3,
    only: frozenset[str] = frozenset(),
    rewrite_s: float = 60.0,
    seen: list[Event] | None = None,
) -> list[Event]:
    """All events; `seen` gets them even when an exception ends the repair."""
    events = [] if seen is None else seen
    async for event in fix(
        root=project.root,
        files=project.files,
        runner=runner or project.runner(),
        model=model,
        options=FixOptions(max_attempts=max_attempts, only=only, rewrite_s=rewrite_s),
        recorder=recorder,
    ):
        events.append(event)
    return events


def of_type(events: Sequence[Event], kind: type[_E]) -> list[_E]:
    return [event for event in events if isinstance(event, kind)]


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def finished(events: Sequence[Event]) -> FixFinished:
    assert isinstance(events[-1], FixFinished)
    return events[-1]


async def test_only_the_tests_that_were_asked_for_are_repaired(tmp_path: Path) -> None:
    project = Project(tmp_path, flags(two=True))
    model = ScriptedModel(script=[reply(flags(two=True, three=True))])
    end = finished(await repaired(project, model, only=frozenset([IDS["three"]])))
    assert (end.red_after, end.reason) == ((IDS["one"],), NOTHING_WANTED)


async def test_a_red_test_is_repaired_and_the_diff_is_told(tmp_path: Path) -> None:
    project = Project(tmp_path, flags(one=True, two=True))
    good = flags(one=True, two=True, three=True)
    events = await repaired(project, ScriptedModel(script=[reply(good)]))
    end = finished(events)
    assert (end.passed_before, end.passed_after, end.reason) == (2, 3, "all green")
    assert (end.red_before, end.red_after) == ((IDS["three"],), ())
    assert end.diff.endswith("-three = False\n+three = True\n")
    assert project.module.read_text() == good


async def test_nothing_is_asked_when_all_is_green(tmp_path: Path) -> None:
    project = Project(tmp_path, flags(one=True, two=True, three=True))
    events = await repaired(project, ScriptedModel(script=[]))
    assert finished(events).reason == "all green"


async def test_an_edit_that_breaks_something_is_taken_back(tmp_path: Path) -> None:
    start = flags(one=True, two=True)
    project = Project(tmp_path, start)
    model = ScriptedModel(script=[reply(flags(one=True, three=True))])
    events = await repaired(project, model, max_attempts=1)
    assert project.module.read_text() == start
    assert of_type(events, EditReverted)[0].reason == (f"it broke what passed before: {IDS['two']}")
    assert finished(events).reason == "attempts used up"
    assert finished(events).diff == ""


async def test_an_edit_that_helps_nothing_is_taken_back(tmp_path: Path) -> None:
    start = flags(one=True)
    project = Project(tmp_path, start)
    model = ScriptedModel(script=[reply(start + "x = 1\n"), reply(start + "x = 2\n")])
    events = await repaired(project, model, max_attempts=1)
    assert project.module.read_text() == start
    assert len(of_type(events, EditReverted)) == 2
    assert finished(events).red_after == (IDS["two"], IDS["three"])


async def test_a_passing_test_that_disappears_counts_as_broken(tmp_path: Path) -> None:
    start = flags(one=True)
    project = Project(tmp_path, start)

    def judge(only: Sequence[str]) -> TestReport:
        text = project.module.read_text()
        names = [name for name in NAMES if text == start or name != "one"]
        return only_of(report(*(project.result(name, text) for name in names)), only)

    events = await repaired(
        project,
        ScriptedModel(script=[reply(flags(one=True, two=True)), reply(flags(three=True))]),
        runner=FakeTestRunner(judge=judge),
        max_attempts=1,
    )
    assert project.module.read_text() == start
    assert len(of_type(events, EditReverted)) == 2


async def test_retries_start_greedy_and_do_not_quote_the_attempt(tmp_path: Path) -> None:
    project = Project(tmp_path, flags(one=True, two=True))
    wrong = flags(one=True, two=True) + "marker_of_the_attempt = 1\n"
    model = ScriptedModel(script=[reply(wrong), reply(flags(one=True, two=True, three=True))])
    await repaired(project, model)
    first, second = model.requests
    assert (first.sampling.temperature, second.sampling.temperature) == (0.0, 0.6)
    assert first.sampling.seed != second.sampling.seed
    assert [message.role for message in second.messages] == ["system", "user"]
    assert "marker_of_the_attempt" not in second.messages[1].content
    assert "An earlier correction did not work." in second.messages[1].content


async def test_replies_that_cannot_be_used_are_asked_for_again_at_most_twice(
    tmp_path: Path,
) -> None:
    start = flags(one=True, two=True)
    project = Project(tmp_path, start)
    cut = [Scripted(text=f"```python\none = {n}", finish="length") for n in range(9)]
    model = ScriptedModel(script=list(cut))
    events = await repaired(project, model, max_attempts=9)
    assert len(model.requests) == 3
    assert len(of_type(events, ReplyUnusable)) == 3
    assert finished(events).reason == "no usable reply after two re-asks"
    assert "The reply was cut off" in model.requests[1].messages[1].content
    assert project.module.read_text() == start


async def test_elided_replies_are_refused_and_asked_for_again(tmp_path: Path) -> None:
    project = Project(tmp_path, flags(one=True, two=True))
    elided = "# ... existing code ...\nthree = True\n"
    good = flags(one=True, two=True, three=True)
    events = await repaired(project, ScriptedModel(script=[reply(elided), reply(good)]))
    assert "leaves code out" in of_type(events, ReplyUnusable)[0].reason
    assert len(of_type(events, EditApplied)) == 1
    assert project.module.read_text() == good


async def test_a_model_that_repeats_itself_is_asked_differently(tmp_path: Path) -> None:
    project = Project(tmp_path, flags(one=True, two=True))
    wrong = reply(flags(one=True, two=True) + "x = 1\n")
    good = reply(flags(one=True, two=True, three=True))
    model = ScriptedModel(script=[wrong, wrong, good])
    events = await repaired(project, model)
    first, second, third = model.requests
    assert min(second.sampling.temperature, third.sampling.temperature) >= 1.0
    assert second.sampling.seed != third.sampling.seed
    assert second.messages[0] != first.messages[0], "it is asked for the reason first"
    assert "earlier correction" not in second.messages[1].content
    assert finished(events).reason == "all green"


async def test_a_correction_that_leaves_the_failure_as_it_was_changes_the_question(
    tmp_path: Path,
) -> None:
    project = Project(tmp_path, flags(one=True, two=True))
    wrongs = [reply(flags(one=True, two=True) + f"x = {n}\n") for n in (1, 2, 3)]
    model = ScriptedModel(script=list(wrongs))
    events = await repaired(project, model)
    assert model.requests[1].messages[0] != model.requests[0].messages[0]
    assert finished(events).reason.startswith("stuck")


async def test_a_correction_that_comes_again_costs_no_attempt(tmp_path: Path) -> None:
    project = Project(tmp_path, flags(one=True, two=True))
    wrong, reworded = (flags(one=True, two=True) + line for line in ("x = 1\n", "x  =  1  # one\n"))
    good = reply(flags(one=True, two=True, three=True))
    model = ScriptedModel(script=[reply(wrong), f"Sorry!\n\n{reply(reworded)}", good])
    events = await repaired(project, model, max_attempts=2)
    assert [event.text for event in events if isinstance(event, Notice)] == [
        "the model gave the same correction again (temperature 1)"
    ]
    assert sum(isinstance(event, EditApplied) for event in events) == 2, "it was judged once"
    assert finished(events).reason == "all green"


async def test_the_same_reply_three_times_ends_the_attempts(tmp_path: Path) -> None:
    project = Project(tmp_path, flags(one=True, two=True))
    wrong = reply(flags(one=True, two=True) + "x = 1\n")
    model = ScriptedModel(script=[wrong, wrong, wrong, wrong])
    events = await repaired(project, model, max_attempts=9)
    assert len(model.requests) == 3
    assert finished(events).reason.startswith("stuck: its replies came to the same")
    assert project.module.read_text() == flags(one=True, two=True)


async def test_the_reason_is_that_of_a_test_that_stays_red(tmp_path: Path) -> None:
    project = Project(tmp_path, flags(one=True))
    wrong = reply(flags(one=True) + "x = 1\n")
    good = reply(flags(one=True, three=True))
    events = await repaired(project, ScriptedModel(script=[wrong, wrong, wrong, good]))
    assert finished(events).red_after == (IDS["two"],)
    assert finished(events).reason.startswith("stuck")


async def test_tests_are_not_edited(tmp_path: Path) -> None:
    project = Project(tmp_path, flags(one=True, two=True))
    cheat = "tests/test_flags.py\n```python\ndef test_three():\n    assert True\n```"
    events = await repaired(project, ScriptedModel(script=[cheat]), max_attempts=1)
    assert (tmp_path / "tests" / "test_flags.py").read_text() == TEST_FILE
    assert of_type(events, EditApplied) == []
    assert finished(events).red_after == (IDS["three"],)


async def test_an_end_that_the_runner_itself_calls_an_error_is_not_all_green(
    tmp_path: Path,
) -> None:
    project = Project(tmp_path, flags(one=True, two=True))
    gate = replace(report(passed(IDS["one"])), exit_code=1)
    events = await repaired(
        project, ScriptedModel(script=[]), runner=FakeTestRunner(judge=script(gate))
    )
    end = finished(events)
    assert (end.red_after, end.overruled) == ((), True)
    assert end.reason == "no test is red, but the test runner itself ended with an error"


def test_a_class_whose_tear_down_failed_is_solved_when_it_does_not_any_more() -> None:
    untidy, ran, other = failed("test_u.T"), passed("test_u.T.test_1"), passed("test_v.T.test_1")
    before = report(untidy, ran, other)
    state = State(report=before, green=before.passed_ids, red=(untidy,))
    assert solved_tests(state, before) == ()
    assert solved_tests(state, report(ran, other)) == ("test_u.T",)
    assert solved_tests(state, report(other)) == ()


async def test_a_flaky_test_is_labelled_and_not_repaired(tmp_path: Path) -> None:
    project = Project(tmp_path, flags(one=True, two=True))
    shaky = report(passed(IDS["one"]), failed(IDS["two"]))
    alone = report(passed(IDS["two"]))
    model = ScriptedModel(script=[])
    events = await repaired(project, model, runner=FakeTestRunner(judge=script(shaky, alone)))
    assert of_type(events, TestsFinished)[0].flaky == (IDS["two"],)
    end = finished(events)
    assert (end.reason, end.red_before, end.passed_before) == ("all green", (), 2)


async def test_a_test_that_had_to_be_ended_is_red_without_another_run(tmp_path: Path) -> None:
    project = Project(tmp_path, flags(one=True))
    endless = replace(failed(IDS["two"], frames=[LOOP]), was_ended=True)
    same = replace(failed(IDS["three"], frames=[LOOP]), was_ended=True, had_less_time=True)
    runner = FakeTestRunner(judge=script(report(passed(IDS["one"]), endless, same)))
    end = finished(await repaired(project, ScriptedModel(script=[]), runner=runner, rewrite_s=0))
    assert (end.red_before, runner.calls) == ((IDS["two"], IDS["three"]), [()])


async def test_a_slow_test_that_had_less_time_behind_an_endless_one_is_run_alone(
    tmp_path: Path,
) -> None:
    project = Project(tmp_path, flags(one=True))
    endless = replace(failed(IDS["two"], frames=[LOOP]), was_ended=True)
    slow = failed(IDS["three"], frames=[("flags.py", 7, "wait")])
    slow = replace(slow, was_ended=True, had_less_time=True)
    judge = script(report(passed(IDS["one"]), endless, slow), report(passed(IDS["three"])))
    runner = FakeTestRunner(judge=judge)
    end = finished(await repaired(project, ScriptedModel(script=[]), runner=runner, rewrite_s=0))
    assert (end.red_before, runner.calls) == ((IDS["two"],), [(), (IDS["three"],)])


async def test_a_regression_that_passes_alone_is_flaky_and_not_held_against_the_edit(
    tmp_path: Path,
) -> None:
    project = Project(tmp_path, flags(one=True, two=True))
    judge = script(
        report(passed(IDS["one"]), failed(IDS["three"])),
        report(failed(IDS["three"])),
        report(failed(IDS["one"]), passed(IDS["three"])),
        report(passed(IDS["one"])),
        report(passed(IDS["three"])),
    )
    good = flags(one=True, two=True, three=True)
    runner = FakeTestRunner(judge=judge)
    events = await repaired(project, ScriptedModel(script=[reply(good)]), runner=runner)
    assert runner.calls[-2:] == [(IDS["one"],), (IDS["three"],)]
    assert of_type(events, TestsFinished)[-1].flaky == (IDS["one"],)
    assert (finished(events).reason, finished(events).passed_after) == ("all green", 2)
    assert project.module.read_text() == good


async def test_a_pass_that_does_not_hold_in_a_fresh_box_is_no_repair(tmp_path: Path) -> None:
    project = Project(tmp_path, before := flags(one=True, two=True))
    judge = script(
        report(failed(IDS["three"])),
        report(failed(IDS["three"])),
        report(passed(IDS["three"])),
        report(failed(IDS["three"])),
    )
    recorder = ListRecorder()
    events = await repaired(
        project,
        ScriptedModel(script=[reply(flags(one=True, two=True, three=True))]),
        runner=FakeTestRunner(judge=judge),
        max_attempts=1,
        recorder=recorder,
    )
    assert [kept.verdict for kept in recorder.kept] == [Verdict.UNKNOWN]
    (reverted,) = of_type(events, EditReverted)
    assert reverted.reason.endswith("passed once and failed when it was run again")
    assert project.module.read_text() == before


async def test_a_slow_suite_runs_the_failing_test_first(tmp_path: Path) -> None:
    project = Project(tmp_path, flags(one=True, two=True))
    runner = project.runner(duration_s=60.0)
    wrong = flags(one=True, two=True) + "x = 1\n"
    good = flags(one=True, two=True, three=True)
    await repaired(project, ScriptedModel(script=[reply(wrong), reply(good)]), runner=runner)
    target = (IDS["three"],)
    assert runner.calls == [(), target, target, target, ()]


async def test_tests_that_an_edit_brings_to_light_are_turned_to(tmp_path: Path) -> None:
    project = Project(tmp_path, flags(one=True))
    broken_file = failed(
        "tests/test_flags.py",
        "cannot import name 'two' from 'flags'",
        exception="ImportError",
        frames=[("tests/test_flags.py", 1, "<module>")],
    )

    def judge(only: Sequence[str]) -> TestReport:
        if "two = True" not in project.module.read_text():
            return report(broken_file)
        return only_of(project.report(), only)

    model = ScriptedModel(
        script=[reply(flags(one=True, two=True)), reply(flags(one=True, two=True, three=True))]
    )
    recorder = ListRecorder()
    runner = FakeTestRunner(judge=judge)
    events = await repaired(project, model, runner=runner, recorder=recorder)
    started = [event.test_id for event in of_type(events, AttemptStarted)]
    assert started == ["tests/test_flags.py", IDS["three"]]
    assert finished(events).reason == "all green"
    verdicts = [step.verdict for step in recorder.kept]
    assert verdicts == [Verdict.UNKNOWN, Verdict.PASS], "what only lets tests run is no lesson"


async def test_parameters_of_one_test_share_the_attempts(tmp_path: Path) -> None:
    project = Project(tmp_path, flags(one=True, two=True))
    ids = [f"{IDS['three']}[{n}]" for n in range(4)]
    red = report(*(failed(test_id) for test_id in ids))
    model = ScriptedModel(
        script=[reply(flags(one=True, two=True) + f"x = {n}\n") for n in range(9)]
    )
    await repaired(project, model, runner=FakeTestRunner(judge=lambda only: only_of(red, only)))
    assert len(model.requests) == 3


async def test_experiences_say_what_the_tests_said(tmp_path: Path) -> None:
    project = Project(tmp_path, flags(one=True, two=True))
    wrong, good = flags(one=True, two=True) + "x = 1\n", flags(one=True, two=True, three=True)
    recorder = ListRecorder()
    model = ScriptedModel(script=["No code.", reply(wrong), reply(good)])
    await repaired(project, model, recorder=recorder)
    unusable, fail, success = recorder.kept
    assert (unusable.verdict, unusable.evidence, unusable.path) == (Verdict.UNKNOWN, (), "")
    assert (fail.verdict, fail.path, fail.targets) == (Verdict.FAIL, "flags.py", (IDS["three"],))
    assert [item.subject for item in fail.evidence] == [IDS["three"]]
    assert (fail.before, fail.after) == (flags(one=True, two=True), wrong)
    assert (success.verdict, success.evidence, success.after) == (Verdict.PASS, (), good)
    assert tuple(success.messages) == model.requests[2].messages
    assert success.action.text == reply(good)


@pytest.mark.parametrize("status", [RunStatus.TIMEOUT, RunStatus.INCOMPLETE, RunStatus.OOM])
async def test_an_edit_that_the_tests_cannot_judge_is_taken_back_and_unknown(
    tmp_path: Path, status: RunStatus
) -> None:
    start = flags(one=True, two=True)
    project = Project(tmp_path, start)
    first = project.report()
    unjudged = report(passed(IDS["one"]), passed(IDS["two"]), passed(IDS["three"]), status=status)
    recorder = ListRecorder()
    runner = FakeTestRunner(judge=script(first, only_of(first, (IDS["three"],)), unjudged))
    good = flags(one=True, two=True, three=True)
    model = ScriptedModel(script=[reply(good)])
    await repaired(project, model, runner=runner, recorder=recorder, max_attempts=1)
    assert project.module.read_text() == start
    assert [(item.verdict, item.evidence) for item in recorder.kept] == [(Verdict.UNKNOWN, ())]


async def test_a_sandbox_that_fails_ends_it_with_the_best_state(tmp_path: Path) -> None:
    start = flags(one=True, two=True)
    project = Project(tmp_path, start)
    first = project.report()
    gone = EngineUnavailableError("the container engine is gone")
    recorder = ListRecorder()
    runner = FakeTestRunner(judge=script(first, only_of(first, (IDS["three"],)), gone))
    events: list[Event] = []
    model = ScriptedModel(script=[reply(flags(one=True, two=True, three=True))])
    with pytest.raises(EngineUnavailableError):
        await repaired(project, model, runner=runner, recorder=recorder, seen=events)
    assert finished(events).reason == "the container engine is gone"
    assert project.module.read_text() == start
    assert [(item.verdict, item.evidence) for item in recorder.kept] == [(Verdict.UNKNOWN, ())]


async def test_a_model_that_goes_away_leaves_the_best_state(tmp_path: Path) -> None:
    project = Project(tmp_path, flags(one=True))
    better = flags(one=True, two=True)
    model = ScriptedModel(script=[reply(better), ServerUnreachableError("nobody answers")])
    events: list[Event] = []
    with pytest.raises(ServerUnreachableError):
        await repaired(project, model, seen=events)
    assert finished(events).passed_after == 2
    assert project.module.read_text() == better


async def test_a_store_that_fails_does_not_stop_the_repair(tmp_path: Path) -> None:
    project = Project(tmp_path, flags(one=True, two=True))
    recorder = ListRecorder(error=StoreError("the disk is full"))
    good = flags(one=True, two=True, three=True)
    model = ScriptedModel(script=[reply(good)])
    events = await repaired(project, model, recorder=recorder)
    assert finished(events).reason == "all green"
    assert "the disk is full" in of_type(events, Notice)[0].text


async def test_a_run_without_tests_says_so(tmp_path: Path) -> None:
    project = Project(tmp_path, flags())
    runner = FakeTestRunner(judge=script(report(status=RunStatus.NO_TESTS)))
    events = await repaired(project, ScriptedModel(script=[]), runner=runner)
    assert finished(events).reason == "no tests"


async def test_a_file_that_does_not_fit_is_refused_with_the_numbers(tmp_path: Path) -> None:
    project = Project(tmp_path, flags(one=True, two=True) + "# filler\n" * 400)
    model = ScriptedModel(script=[], context_length=600)
    events = await repaired(project, model)
    reason = finished(events).reason
    assert reason.startswith("flags.py is too large for scripted: the prompt has ")
    assert "the context has 600; use a model with a larger context" in reason
    assert model.requests == []


async def test_a_large_file_is_never_written_anew_as_a_whole(tmp_path: Path) -> None:
    project = Project(tmp_path, flags(one=True, two=True) + "# filler\n" * 1500)
    model = ScriptedModel(script=[])
    reason = finished(await repaired(project, model)).reason
    assert reason.startswith("flags.py is not written anew as a whole: it has about ")
    assert "fix.largest_file_tokens is 4096" in reason
    assert model.requests == []


async def test_a_failure_of_nothing_in_the_project_is_left(tmp_path: Path) -> None:
    project = Project(tmp_path, flags())
    red = report(failed("elsewhere::test", "No module named 'numpy'"))
    runner = FakeTestRunner(judge=lambda _: red)
    events = await repaired(project, ScriptedModel(script=[]), runner=runner)
    assert finished(events).reason == "the failure points at no file of the project"


async def test_interrupting_the_tests_puts_the_file_back(tmp_path: Path) -> None:
    start = flags(one=True, two=True)
    project = Project(tmp_path, start)
    first = project.report()
    runner = FakeTestRunner(judge=script(first, only_of(first, (IDS["three"],)), None))
    model = ScriptedModel(script=[reply(flags(one=True, two=True, three=True))])
    applied = asyncio.Event()

    async def consume() -> None:
        async for event in fix(root=tmp_path, files=project.files, runner=runner, model=model):
            if isinstance(event, EditApplied):
                applied.set()

    task = asyncio.create_task(consume())
    await applied.wait()
    assert "three = True" in project.module.read_text()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert project.module.read_text() == start
    assert names_in(tmp_path) == ["flags.py", "tests"]


async def test_leaving_the_iterator_puts_the_file_back(tmp_path: Path) -> None:
    start = flags(one=True, two=True)
    project = Project(tmp_path, start)
    first = project.report()
    runner = FakeTestRunner(judge=script(first, only_of(first, (IDS["three"],)), None))
    model = ScriptedModel(script=[reply(flags(one=True, two=True, three=True))])
    events = fix(root=tmp_path, files=project.files, runner=runner, model=model)
    async for event in events:
        if isinstance(event, EditApplied):
            break
    await events.aclose()
    assert project.module.read_text() == start


@pytest.mark.parametrize("steps", range(1, 60, 4))
async def test_cancelling_at_any_moment_leaves_a_whole_file(tmp_path: Path, steps: int) -> None:
    start, better = flags(one=True), flags(one=True, two=True)
    best = flags(one=True, two=True, three=True)
    project = Project(tmp_path, start)
    wrong = flags(one=True) + "x = 1\n"
    model = ScriptedModel(script=[reply(wrong), reply(better), "No.", reply(best), None])

    async def consume() -> None:
        async for _ in fix(
            root=tmp_path, files=project.files, runner=project.runner(), model=model
        ):
            pass

    task = asyncio.create_task(consume())
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert project.module.read_text() in (start, better, best)


FLAGS = st.fixed_dictionaries({name: st.booleans() for name in NAMES})
REPLIES = st.one_of(
    FLAGS.map(lambda values: reply(flags(**values))),
    FLAGS.map(lambda values: f"other.py\n{reply(flags(**values))}"),
    st.sampled_from(["No.", "```python\none = True", reply("# ...\nthree = True\n"), reply("")]),
)


# Three tests, three attempts at each, and one more reply where one repeats an earlier one.
@settings(max_examples=60, deadline=None)
@given(start=FLAGS, replies=st.lists(REPLIES, min_size=18, max_size=18))
async def test_it_never_ends_worse_than_it_began(
    tmp_path_factory: pytest.TempPathFactory, start: dict[str, bool], replies: list[str]
) -> None:
    project = Project(tmp_path_factory.mktemp("worse"), flags(**start))
    green = project.report().passed_ids
    events = await repaired(project, ScriptedModel(script=list(replies)))
    after = project.report()
    assert green <= after.passed_ids
    assert finished(events).passed_after == len(after.passed_ids)
    assert set(finished(events).red_after) == {item.id for item in after.red}
    assert (finished(events).reason == "all green") == after.all_green
    assert bool(finished(events).diff) == (project.module.read_text() != flags(**start))


async def test_a_model_that_only_thought_is_asked_again_to_be_brief(tmp_path: Path) -> None:
    project = Project(tmp_path, flags(one=True, two=True))
    thoughts = [Scripted(text="", thought=f"Hm {n}.", finish="length") for n in range(2)]
    good = reply(flags(one=True, two=True, three=True))
    model = ScriptedModel(script=[*thoughts, good])
    events = await repaired(project, model)
    assert finished(events).reason == "all green"
    assert all("Think in one sentence" in r.messages[-1].content for r in model.requests[1:])
    assert "raise turn.max_reply_tokens" in of_type(events, Notice)[0].text


async def test_a_raised_limit_leaves_room_to_think(tmp_path: Path) -> None:
    project = Project(tmp_path, flags(one=True, two=True))
    model = ScriptedModel(script=[reply(flags(one=True, two=True, three=True))])
    options = FixOptions(least_reply_tokens=4000)
    runner = project.runner()
    async for _ in fix(
        root=project.root, files=project.files, runner=runner, model=model, options=options
    ):
        pass
    assert model.requests[0].sampling.max_tokens == 4000


async def test_whole_files_end_with_their_time_and_leave_the_file_as_it_was(tmp_path: Path) -> None:
    project, model = Project(tmp_path, flags(one=True, two=True)), ScriptedModel(script=[None])
    end = finished(await repaired(project, model, rewrite_s=0.05))
    assert (end.red_after, end.diff) == ((IDS["three"],), "")
    assert end.reason == "its 0.05 s for whole files are used up; a larger fix.rewrite_s gives more"
    assert len(model.requests) == 1


async def test_no_whole_file_is_asked_for_where_it_has_no_time(tmp_path: Path) -> None:
    project, model = Project(tmp_path, flags()), ScriptedModel(script=[])
    events = await repaired(project, model, rewrite_s=0)
    assert not of_type(events, AttemptStarted)
    assert len(finished(events).red_after) == 3
    assert finished(events).reason == "no whole file is asked for, since fix.rewrite_s is 0"


async def test_a_refusal_leaves_the_other_tests_to_be_repaired(tmp_path: Path) -> None:
    project = Project(tmp_path, flags(one=True))
    good = reply(flags(one=True, three=True))
    model = ScriptedModel(script=[ReplyRefusedError("a filter ended the reply"), good])
    events = await repaired(project, model, max_attempts=1)
    assert finished(events).red_after == (IDS["two"],)
    assert any("a filter ended the reply" in notice.text for notice in of_type(events, Notice))


@pytest.mark.parametrize(
    ("status", "output", "said"),
    [
        (RunStatus.NO_TESTS, "", "with the edit, no test is found any more, while 3 ran before"),
        (RunStatus.TIMEOUT, "", "with the edit, the tests ran into their time limit"),
        (
            RunStatus.SETUP_FAILED,
            "Traceback (most recent call last):\n"
            '  File "/home/conftest.py", line 1, in <module>\n    import flags\n'
            "NameError: name 'tru' is not defined\n",
            "with the edit, the project could not be set up for its tests (",
        ),
    ],
)
async def test_an_edit_that_cannot_be_judged_says_why(
    tmp_path: Path, status: RunStatus, output: str, said: str
) -> None:
    start = flags(one=True, two=True)
    project = Project(tmp_path, start)

    def judge(only: Sequence[str]) -> TestReport:
        unchanged = project.module.read_text() == start
        whole = only_of(project.report(), only)
        return whole if unchanged else replace(report(status=status), output=output)

    model = ScriptedModel(script=[reply(flags(three=True))])
    runner = FakeTestRunner(judge=judge)
    events = await repaired(project, model, runner=runner, max_attempts=1)
    (reverted,) = of_type(events, EditReverted)
    assert reverted.reason.startswith(said)
    assert ("NameError" in reverted.reason) == bool(output)
    assert project.module.read_text() == start


@pytest.mark.parametrize(("total_s", "asked"), [(None, 1), (60.0, 1), (0.0, 0)])
async def test_whole_files_get_what_the_search_leaves_of_a_total(
    tmp_path: Path, total_s: float | None, asked: int
) -> None:
    project = Project(tmp_path, flags(one=True, two=True))
    model = ScriptedModel(script=[reply(flags(one=True, two=True, three=True))])
    found = fix(
        root=project.root,
        files=project.files,
        runner=project.runner(),
        model=model,
        options=FixOptions(max_attempts=1, total_s=total_s),
    )
    end = finished([event async for event in found])
    assert len(model.requests) == asked
    if not asked:
        assert end.reason == "its 0 s are used up; `run-tests --fix` and /fix give more"
