"""Self-play repair turns old failures into verified pairs, and touches nothing of the user's."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest

from agent.advice.failure import EnvironmentFact
from agent.advice.gathering import Advice
from agent.events import Event, Notice
from agent.fixing.sources import Sources
from agent.rounds.self_play import SelfPlayOptions, copy_project, self_play, unfixed
from agent.rounds.yields import append_yield
from learning.experience.store import ExperienceStore
from learning.records import Experience, Trust, Verdict
from learning.training.selection import select
from sandbox.verdict.report import TestReport, TestResult
from tests.fakes.experiences import make_action, make_experience
from tests.fakes.model import ScriptedModel
from tests.fakes.sandbox import FakeTestRunner, failed, only_of, passed, report
from tests.fakes.yields import read_yields

_TEST = "tests/test_shop.py::test_total"
_BEFORE = "def total(prices):\n    return 1\n"
_AFTER = "def total(prices):\n    return sum(prices)\n"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ExperienceStore]:
    with ExperienceStore.open(tmp_path / "e.sqlite3") as opened:
        yield opened


def _failure(id_: str = "old", **changes: object) -> Experience:
    settings: dict[str, object] = {"targets": (_TEST,), "path": "shop.py", "before": _BEFORE}
    action = make_action(model="scripted", token_ids=tuple(range(40)))
    return make_experience(
        id_, **{"model": "scripted", "action": action, "after": "", **settings, **changes}
    )


def _project(tmp_path: Path) -> tuple[Path, Path, list[str]]:
    root, copy = tmp_path / "project", tmp_path / "copy"
    (root / "tests").mkdir(parents=True)
    (root / "shop.py").write_text(_BEFORE)
    (root / "tests" / "test_shop.py").write_text(
        "import shop\n\n\ndef test_total():\n    assert shop.total([2]) == 2\n"
    )
    (root / "link.py").symlink_to("/etc/hostname")
    files = ["shop.py", "tests/test_shop.py", "link.py"]
    copy_project(root, files, copy)
    return root, copy, files[:2]


def _runner(copy: Path) -> FakeTestRunner:
    def judge(only: Sequence[str]) -> TestReport:
        right = "sum(prices)" in (copy / "shop.py").read_text()
        result = passed(_TEST) if right else failed(_TEST, frames=[("shop.py", 2, "total")])
        return only_of(report(result), only)

    return FakeTestRunner(judge=judge)


def _reply(source: str) -> str:
    return f"```python\n{source}```"


async def _self_play(
    store: ExperienceStore, tmp_path: Path, *replies: str, **options: object
) -> tuple[list[Event], ScriptedModel]:
    _, copy, files = _project(tmp_path)
    model = ScriptedModel(script=[_reply(text) for text in replies])
    ticks = itertools.count()

    async def advise(_result: TestResult, _sources: Sources) -> Advice:
        return Advice(
            facts=(EnvironmentFact(subject="python 3.11", text="sum(iterable) adds numbers"),)
        )

    events = [
        event
        async for event in self_play(
            copy=copy,
            files=files,
            runner=_runner(copy),
            model=model,
            store=store,
            advise=advise,
            options=SelfPlayOptions(**options),  # type: ignore[arg-type]
            clock=lambda: float(next(ticks)),
        )
    ]
    return events, model


async def test_a_repair_with_facts_is_kept_for_the_prompt_that_had_failed(
    store: ExperienceStore, tmp_path: Path
) -> None:
    store.add(_failure())
    events, model = await _self_play(store, tmp_path, _BEFORE.replace("1", "2"), _AFTER)
    assert "sum(iterable) adds numbers" in model.requests[-1].messages[-1].content
    (pair, _old) = store.list()
    assert (pair.fixes, pair.verdict, pair.after) == ("old", Verdict.PASS, _AFTER)
    assert pair.trust is Trust.PINNED
    assert isinstance(events[-1], Notice)
    assert events[-1].text.startswith("self-play repair: 1 of 1 failures fixed with 2 replies")
    assert events[-1].text.endswith("1 distinct fixes")
    assert unfixed(store.list(), model="scripted") == {}


async def test_what_came_of_it_is_logged_also_when_it_is_cut_short(
    store: ExperienceStore, tmp_path: Path
) -> None:
    store.add(_failure())
    for number, options in enumerate((SelfPlayOptions(), SelfPlayOptions(budget_s=1.0))):
        _, copy, files = _project(tmp_path / str(number))
        events = self_play(
            copy=copy,
            files=files,
            runner=_runner(copy),
            model=ScriptedModel(script=[_reply(_BEFORE), _reply(_AFTER)]),
            store=store,
            options=options,
            on_yield=partial(append_yield, tmp_path),
        )
        async for _ in events:
            if number:
                break
        await events.aclose()
        if not number:
            store.add(_failure("later"))
            store.forget(store.list()[1].id)
    whole, short = read_yields(tmp_path)
    assert (whole.failures, whole.pairs, whole.distinct) == (1, 1, 1)
    assert (whole.replies, whole.source, whole.model) == (2, "self-play", "scripted")
    assert whole.test_runs > 1
    assert whole.tokens > 0
    assert (short.pairs, short.failures) == (0, 1)


async def test_only_known_failures_are_tried(store: ExperienceStore, tmp_path: Path) -> None:
    store.add(_failure(targets=("tests/test_shop.py::test_other",)))
    events, model = await _self_play(store, tmp_path, _AFTER)
    assert model.requests == []
    assert isinstance(events[-1], Notice)


async def test_the_users_files_stay_as_they_are(store: ExperienceStore, tmp_path: Path) -> None:
    store.add(_failure())
    await _self_play(store, tmp_path, _AFTER)
    assert (tmp_path / "project" / "shop.py").read_text() == _BEFORE
    assert not (tmp_path / "copy" / "link.py").exists()


async def test_a_file_that_has_changed_since_gives_no_pair(
    store: ExperienceStore, tmp_path: Path
) -> None:
    store.add(_failure(before="def total(prices):\n    return 7\n"))
    events, _ = await _self_play(store, tmp_path, _AFTER)
    assert len(store.list()) == 1
    assert isinstance(events[-1], Notice)
    assert "0 of 1 failures" in events[-1].text


async def test_without_failures_nothing_is_asked(store: ExperienceStore, tmp_path: Path) -> None:
    events, model = await _self_play(store, tmp_path)
    assert model.requests == []
    assert len(events) == 1


async def test_self_play_ends_with_its_time(store: ExperienceStore, tmp_path: Path) -> None:
    store.add(_failure())
    events, _ = await _self_play(store, tmp_path, _AFTER, budget_s=1.0)
    assert Notice("self-play repair: the time is used up") in events
    assert len(store.list()) == 1


def test_what_was_fixed_or_cannot_teach_is_not_tried_again() -> None:
    fixed, bare = _failure("fixed"), _failure("bare", action=make_action(token_ids=()))
    fix = _failure("fix", verdict=Verdict.PASS, fixes="fixed")
    assert unfixed([fix, fixed], model="scripted") == {}
    assert unfixed([bare], model="scripted") == {}
    assert unfixed([_failure()], model="another") == {}
    assert list(unfixed([_failure()], model="scripted")) == [_TEST]


def test_a_pair_from_self_play_is_selected_as_hindsight() -> None:
    old = _failure()
    fix = _failure("new", verdict=Verdict.PASS, fixes="old", trust=Trust.PINNED, after=_AFTER)
    selection = select([fix, old], model="scripted", max_examples=8)
    assert selection.examples[0].fix == fix
