"""The fix loop tries small changes first: it keeps what its own run confirms, and asks before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from agent.approval import Decision
from agent.events import ChangeChosen, EditReverted, Event, Notice, PlacesRanked, RankedPlace
from agent.fixing.fix import fix
from agent.fixing.options import FixOptions
from agent.fixing.search import Search, SearchOptions
from agent.fixing.sources import Sources
from agent.fixing.tester import ChangeTester
from agent.fixing.tracing import InVain
from agent.model.protocol import Fill, FillRequest, ModelError
from learning.records import Origin
from sandbox.search.values import ChangeTrial, LineCounts, Searched, TrialResult, UsualRun
from tests.agent.fixing.test_fix import IDS, ListRecorder, Project, finished, flags, of_type, reply
from tests.fakes.model import ScriptedModel
from tests.fakes.sandbox import FakeTestRunner, failed, report

START = flags(one=True, two=True)
GOOD = flags(one=True, two=True, three=True)
LINE = ("flags.py", 3)


@dataclass
class TextTester:
    """Judges a change by its text alone: it passes if `wanted` is in it."""

    wanted: str = "three = True"
    unsearchable: str = ""
    traced: bool = True
    whole: str = ""
    """In a change without this, all tests beside the red one stay red."""
    tried: list[bytes] = field(default_factory=list)
    budgets: list[float] = field(default_factory=list)
    traces: int = 0
    usual_runs: list[UsualRun | None] = field(default_factory=list)
    traced_usual: UsualRun | None = None
    reds: int = 1
    endless: list[Sequence[str]] = field(default_factory=list)

    async def try_changes(
        self,
        trials: Sequence[ChangeTrial],
        *,
        red: Sequence[str],
        known_red: Sequence[str],
        budget_s: float,
        beside: Sequence[str] = (),
        endless: Sequence[str] = (),
        trace: bool = False,
        enough: int = 3,
        usual: UsualRun | None = None,
    ) -> Searched:
        self.tried += [trial.content for trial in trials]
        self.budgets += [budget_s] if trials else []
        self.traces += trace
        self.endless.append(endless)
        self.usual_runs += [usual] if trials else []
        passes = {n: self.wanted.encode() in trial.content for n, trial in enumerate(trials)}
        return Searched(
            red=self.reds,
            green=2,
            lines={LINE: LineCounts(red=1, green=0)} if self.traced else {},
            usual=self.traced_usual
            if trace
            else usual or UsualRun(red_s=0.1, all_s=1.0 + len(self.budgets)),
            results={
                n: TrialResult(
                    solves_red=good,
                    breaks_none=good,
                    left=0 if self.whole.encode() in trials[n].content else len(beside),
                )
                for n, good in passes.items()
            },
            unsearchable=self.unsearchable,
        )


@dataclass
class OneFill:
    """Fills every gap with the same words."""

    text: str
    error: str = ""

    async def fill(self, request: FillRequest, *, timeout_s: float = 60.0) -> Sequence[Fill]:
        if self.error:
            raise ModelError(self.error)
        return [Fill(text=self.text, logprob=-0.1, tokens=4)]


async def repaired(
    project: Project, model: ScriptedModel, tester: ChangeTester, **more: object
) -> list[Event]:
    return [
        event
        async for event in fix(
            root=project.root,
            files=project.files,
            runner=project.runner(),
            model=model,
            options=FixOptions(max_attempts=1),
            tester=tester,
            **more,  # type: ignore[arg-type]
        )
    ]


async def test_a_small_change_that_passes_is_kept_and_the_model_is_not_asked(
    tmp_path: Path,
) -> None:
    project, model, recorder = Project(tmp_path, START), ScriptedModel(script=[]), ListRecorder()
    events = await repaired(project, model, TextTester(), recorder=recorder)
    assert project.module.read_text() == GOOD
    assert finished(events).reason == "all green"
    assert of_type(events, ChangeChosen)[0].origin == "template"
    (kept,) = recorder.kept
    assert (kept.origin, kept.action.token_ids) == (Origin.TEMPLATE, ())
    assert model.requests == []


async def test_a_change_that_only_the_search_believes_is_taken_back(tmp_path: Path) -> None:
    project, model = Project(tmp_path, START), ScriptedModel(script=[reply(GOOD)])
    events = await repaired(project, model, TextTester(wanted="three ="))
    assert of_type(events, EditReverted)
    assert project.module.read_text() == GOOD
    assert finished(events).red_after == ()


async def test_a_small_change_that_the_person_refuses_is_not_written_and_it_is_told(
    tmp_path: Path,
) -> None:
    async def no(_path: str, _diff: str) -> Decision:
        return Decision(allowed=False, reason="the user said no")

    project, model = Project(tmp_path, START), ScriptedModel(script=[reply(GOOD)])
    events = await repaired(project, model, TextTester(), may_write=no)
    said = [event.text for event in of_type(events, Notice)]
    assert "flags.py is not written: the user said no" in said
    assert project.module.read_text() == START
    assert finished(events).red_after == (IDS["three"],)


async def test_where_no_edit_of_the_syntax_helps_the_model_fills_in_the_line(
    tmp_path: Path,
) -> None:
    project, model, recorder = Project(tmp_path, START), ScriptedModel(script=[]), ListRecorder()
    tester = TextTester(wanted="three = True  # by hand")
    filler = OneFill("three = True  # by hand")
    events = await repaired(project, model, tester, filler=filler, recorder=recorder)
    assert project.module.read_text() == GOOD.replace("three = True", "three = True  # by hand")
    assert finished(events).reason == "all green"
    assert [kept.origin for kept in recorder.kept] == [Origin.INFILL]
    first, *others = tester.usual_runs
    assert first is None
    assert others
    assert {usual and usual.all_s for usual in others} == {2.0}  # the unchanged tests ran once more


async def test_the_run_that_notes_lines_saves_a_run_of_the_unchanged_tests(tmp_path: Path) -> None:
    usual = UsualRun(red_s=0.2, all_s=7.5)
    tester = TextTester(traced_usual=usual)
    await repaired(Project(tmp_path, START), ScriptedModel(script=[]), tester)
    assert tester.usual_runs == [usual]


async def test_the_search_goes_on_for_a_change_that_turns_all_tests_of_the_file_green(
    tmp_path: Path,
) -> None:
    project, model = Project(tmp_path, flags(one=True)), ScriptedModel(script=[])
    tester = TextTester(wanted="two = True", whole="three = True")
    events = await repaired(project, model, tester, filler=OneFill("two = True  # three = True"))
    assert "two = True  # three = True" in project.module.read_text()
    assert len(of_type(events, ChangeChosen)) == 1
    assert of_type(events, ChangeChosen)[0].origin == "infill"


@pytest.mark.parametrize(
    ("tester", "filler", "words"),
    [
        (TextTester(unsearchable="no fork here"), None, "no small changes are tried: no fork here"),
        (TextTester(wanted="\0"), OneFill("", "gone"), "no lines are filled in: gone"),
    ],
)
async def test_a_search_that_cannot_go_on_says_why_and_the_model_is_asked(
    tmp_path: Path, tester: TextTester, filler: OneFill | None, words: str
) -> None:
    project, model = Project(tmp_path, START), ScriptedModel(script=[reply(GOOD)])
    events = await repaired(project, model, tester, filler=filler)
    assert words in [event.text for event in of_type(events, Notice)]
    assert project.module.read_text() == GOOD
    assert len(model.requests) == 1


async def test_the_places_of_a_red_test_are_told_with_their_scores(tmp_path: Path) -> None:
    project = Project(tmp_path, START)
    events = await repaired(project, ScriptedModel(script=[]), TextTester())
    (ranked,) = of_type(events, PlacesRanked)
    assert ranked.test_id == IDS["three"]
    assert ranked.places[0] == RankedPlace("flags.py", 3, 1.0)


@pytest.mark.parametrize(
    ("tester", "places", "words"),
    [
        (TextTester(traced=False), [RankedPlace("flags.py", 3, 0.5)], "are the traceback's"),
        (TextTester(traced=False, unsearchable="x"), [RankedPlace("flags.py", 3, 0.5)], "are the"),
        (TextTester(traced=False, unsearchable="x"), [], "no place can be named"),
    ],
)
async def test_where_no_lines_are_known_it_says_so_and_takes_the_traceback(
    tmp_path: Path, tester: TextTester, places: list[RankedPlace], words: str
) -> None:
    project, model = Project(tmp_path, START), ScriptedModel(script=[reply(GOOD)])
    if places:
        project.more_frames = [("flags.py", 3, "flag")]
    events = await repaired(project, model, tester)
    assert [p for ranked in of_type(events, PlacesRanked) for p in ranked.places] == places
    said = [event.text for event in of_type(events, Notice)]
    (unknown,) = [text for text in said if "not known which lines" in text]
    assert words in unknown


async def test_the_lines_of_one_state_are_noted_once_for_all_its_red_tests(tmp_path: Path) -> None:
    project, tester = Project(tmp_path, flags()), TextTester(wanted="\0", reds=3)
    await repaired(project, ScriptedModel(script=[reply(flags())] * 3), tester)
    assert tester.traces == 1


async def test_searches_in_vain_leave_less_time_for_the_next_ones(tmp_path: Path) -> None:
    project = Project(tmp_path, flags())
    tester = TextTester(wanted="\0", traced=False)
    project.more_frames = [("flags.py", 1, "flag")]
    model = ScriptedModel(script=[reply(flags())] * 9)
    await repaired(project, model, tester, filler=OneFill("x = 1"))
    assert max(tester.budgets) <= SearchOptions().budget_s
    assert tester.budgets[-1] <= SearchOptions().budget_s / 2


async def test_other_changes_that_pass_are_told_with_their_diffs(tmp_path: Path) -> None:
    project, model = Project(tmp_path, START), ScriptedModel(script=[reply(GOOD)])
    events = await repaired(project, model, TextTester(wanted="three"))
    chosen = of_type(events, ChangeChosen)[0]
    assert chosen.others
    for other in chosen.others:
        assert other.diff.startswith("--- a/flags.py\n+++ b/flags.py\n")
        assert (other.path, other.origin) == ("flags.py", "template")


def test_a_change_is_tried_in_the_encoding_that_its_file_declares(tmp_path: Path) -> None:
    text = "# -*- coding: latin-1 -*-\n# gr\u00fcn\n"
    (tmp_path / "old.py").write_bytes(text.replace("\n", "\r\n").encode("latin-1"))
    sources = Sources(tmp_path, ["old.py"])
    assert sources.encoded("old.py", text + "x = 1\n") == (
        b"# -*- coding: latin-1 -*-\r\n# gr\xfcn\r\nx = 1\r\n"
    )
    assert sources.encoded("old.py", text + "# \u20ac\n") is None


async def test_what_the_failure_itself_names_is_tried_alone_before_all_other_changes(
    tmp_path: Path,
) -> None:
    (tmp_path / "number.py").write_text("def down(x):\n    return math.floor(x)\n")
    (tmp_path / "test_number.py").write_text("def test_down():\n    assert down(1.5) == 1\n")
    red = failed(
        "test_number.py::test_down",
        "NameError: name 'math' is not defined",
        frames=[("test_number.py", 2, "test_down"), ("number.py", 2, "down")],
    )
    tester = TextTester(wanted="import math", traced=False)
    search = Search(
        red=[red],
        known_red=[red],
        sources=Sources(tmp_path, ["number.py", "test_number.py"]),
        tester=tester,
        filler=None,
        emit=lambda _event: None,
    )
    (change,) = await search.passing()
    assert change.after.startswith("import math\n")
    assert tester.tried == [change.after.encode()]


async def test_the_sandbox_is_told_which_red_tests_do_not_end(tmp_path: Path) -> None:
    (tmp_path / "number.py").write_text("def down(x):\n    while x:\n        x = x + 1\n")
    (tmp_path / "test_number.py").write_text("def test_down():\n    down(1)\n")
    frames = [("test_number.py", 2, "test_down"), ("number.py", 3, "down")]
    red = replace(failed("test_number.py::test_down", frames=frames), was_ended=True)
    other = failed("test_number.py::test_up")
    tester = TextTester(wanted="x = x - 1", traced=False)
    search = Search(
        red=[red],
        known_red=[red, other],
        sources=Sources(tmp_path, ["number.py", "test_number.py"]),
        tester=tester,
        filler=None,
        emit=lambda _event: None,
    )
    assert await search.passing()
    assert len(tester.endless) > 1
    assert all(ids == [red.id] for ids in tester.endless)


THREE = "def one(n):\n    return n + 1\n\n\ndef two(n):\n    n = n + 2\n    return n\n"


@dataclass
class LinesTester(TextTester):
    """Says of each red test which lines it runs."""

    runs: dict[str, list[int]] = field(default_factory=dict)
    slow: str = ""
    """The id of a test that takes long."""
    blind: int = 0
    """So many of the first traces tell no lines."""
    noted: list[tuple[Sequence[str], float]] = field(default_factory=list)
    """Red tests whose lines were noted, and the seconds for it."""
    asked: list[tuple[Sequence[str], Sequence[str], float, list[bytes]]] = field(
        default_factory=list
    )

    async def try_changes(
        self,
        trials: Sequence[ChangeTrial],
        *,
        red: Sequence[str],
        known_red: Sequence[str],
        budget_s: float,
        beside: Sequence[str] = (),
        endless: Sequence[str] = (),
        trace: bool = False,
        enough: int = 3,
        usual: UsualRun | None = None,
    ) -> Searched:
        self.traces += trace
        if trace:
            self.noted.append((red, budget_s))
            if self.traces <= self.blind:
                return Searched()
        if trials:
            texts = [trial.content for trial in trials]
            self.asked.append((red, beside, budget_s, texts))
        every = {line for lines in self.runs.values() for line in lines}
        by = {n: frozenset(i for i, lines in self.runs.items() if n in lines) for n in every}
        lines = {("three.py", n): LineCounts(red=len(by[n]), green=0, by=by[n]) for n in every}
        self.usual_runs += [usual] if trials else []
        results = {n: TrialResult() for n in range(len(trials))}
        noted = UsualRun(red_s=0.5, all_s=1.0)
        return Searched(red=len(self.runs), lines=lines, results=results, usual=usual or noted)


async def searched(
    tmp_path: Path, tester: LinesTester, *only: str, search_s: float = 60.0
) -> LinesTester:
    (tmp_path / "three.py").write_text(THREE)
    reds = [
        replace(failed(test_id), duration_s=9.0 * (test_id == tester.slow))
        for test_id in tester.runs
    ]
    runner = FakeTestRunner(judge=lambda _only: report(*reds))
    events = fix(
        root=tmp_path,
        files=["three.py"],
        runner=runner,
        model=ScriptedModel(script=[]),
        options=FixOptions(max_attempts=0, function=False, only=frozenset(only), search_s=search_s),
        tester=tester,
    )
    async for _ in events:
        pass
    return tester


async def test_the_red_test_that_runs_the_fewest_lines_is_turned_to_first(tmp_path: Path) -> None:
    runs = {"test_three.py::test_all": [2, 6, 7], "test_three.py::test_one": [2]}
    tester = await searched(tmp_path, LinesTester(wanted="\0", runs=runs))
    assert tester.asked[0][0] == ["test_three.py::test_one"]
    assert tester.asked[0][1] == ["test_three.py::test_all"]
    assert tester.traces == 1


async def test_lines_are_noted_of_the_wanted_tests_first_and_within_the_time_of_a_search(
    tmp_path: Path,
) -> None:
    runs = {f"test_three.py::test_{name}": [2] for name in ("a", "b", "c")}
    wanted = ["test_three.py::test_b", "test_three.py::test_c"]
    tester = await searched(tmp_path, LinesTester(wanted="\0", runs=runs), *wanted, search_s=8.0)
    (red, seconds), *others = tester.noted
    assert list(red) == [*wanted, "test_three.py::test_a"]
    assert seconds <= 8.0
    assert not others


async def test_lines_of_other_tests_are_not_noted_for_one_that_is_wanted_alone(
    tmp_path: Path,
) -> None:
    runs = {f"test_three.py::test_{name}": [2] for name in ("a", "b")}
    wanted = "test_three.py::test_b"
    tester = await searched(tmp_path, LinesTester(wanted="\0", runs=runs), wanted, search_s=8.0)
    assert [list(red) for red, _ in tester.noted] == [[wanted]]


async def test_a_project_that_cannot_be_searched_is_asked_for_its_lines_once(
    tmp_path: Path,
) -> None:
    project, tester = Project(tmp_path, flags()), TextTester(traced=False, unsearchable="no fork")
    events = await repaired(project, ScriptedModel(script=[reply(flags())] * 3), tester)
    assert tester.traces == 1
    said = [event.text for event in of_type(events, Notice)]
    assert said.count("no small changes are tried: no fork") == 3


async def test_a_red_test_that_takes_long_is_turned_to_after_the_others(tmp_path: Path) -> None:
    runs = {"test_three.py::test_all": [2, 6, 7], "test_three.py::test_one": [2]}
    tester = LinesTester(wanted="\0", runs=runs, slow="test_three.py::test_one")
    await searched(tmp_path, tester)
    assert tester.asked[0][0] == ["test_three.py::test_all"]
    times = {usual.red_s for usual in tester.usual_runs if usual is not None}
    assert times == {0.5, 9.5}  # with its own time, so that it is not ended too early


async def test_a_search_in_vain_leaves_half_the_time_for_a_test_with_the_same_places(
    tmp_path: Path,
) -> None:
    runs = {"test_three.py::test_a": [2], "test_three.py::test_b": [2]}
    tester = await searched(tmp_path, LinesTester(wanted="\0", runs=runs))
    by_test = [budget for red, _, budget, _ in tester.asked if "::test_b" in red[0]]
    assert by_test
    assert all(budget <= SearchOptions().budget_s / 2 for budget in by_test)


@pytest.mark.parametrize(("lines", "same"), [([2], True), ([6, 7], False)])
async def test_tests_that_run_the_same_places_may_have_the_same_fault_and_only_they(
    tmp_path: Path, lines: list[int], *, same: bool
) -> None:
    runs = {"test_three.py::test_a": [2], "test_three.py::test_b": lines}
    tester = await searched(tmp_path, LinesTester(runs=runs))
    first = next(ask for ask in tester.asked if ask[0] == ["test_three.py::test_a"])
    assert list(first[1]) == (["test_three.py::test_b"] if same else [])


@pytest.mark.parametrize(("lines", "halves"), [([2], 1.0), ([6, 7], 0.5)])
async def test_the_places_of_a_search_in_vain_are_those_that_it_learned_itself(
    tmp_path: Path, lines: list[int], halves: float
) -> None:
    runs = {"test_three.py::test_a": [2], "test_three.py::test_b": lines}
    tester = await searched(tmp_path, LinesTester(wanted="\0", runs=runs, blind=1))
    assert tester.traces == 2
    longest = max(budget for red, _, budget, _ in tester.asked if "::test_b" in red[0])
    least, most = (60.0 / 2**power for power in (halves + 0.3, halves))
    assert least < longest <= most


def test_a_search_at_unknown_places_shares_them_with_no_other() -> None:
    known, unknown = (
        InVain(top=top, tried=frozenset()) for top in (frozenset({LINE}), frozenset())
    )
    assert known.shares(frozenset({LINE}))
    assert not known.shares(frozenset())
    assert not unknown.shares(frozenset({LINE}))
    assert not unknown.shares(frozenset())


async def test_what_a_failure_asks_for_is_tried_when_searches_in_vain_left_no_time(
    tmp_path: Path,
) -> None:
    (tmp_path / "number.py").write_text("def down(x):\n    return math.floor(x)\n")
    reds = [
        failed(
            f"test_number.py::test_{name}",
            f"NameError: name '{missing}' is not defined",
            frames=[("number.py", 2, "down")],
        )
        for name, missing in (("a", "nowhere"), ("b", "math"))
    ]
    tester = TextTester(wanted="\0", traced=False)
    events = [
        event
        async for event in fix(
            root=tmp_path,
            files=["number.py"],
            runner=FakeTestRunner(judge=lambda _only: report(*reds)),
            model=ScriptedModel(script=[]),
            options=FixOptions(max_attempts=0, function=False, search_s=2.5),
            tester=tester,
        )
    ]
    assert tester.tried[-1].startswith(b"import math\n")
    said = [event.text for event in of_type(events, Notice)]
    assert [text.partition(": ")[0] for text in said if "too little time" in text] == [reds[1].id]
