"""One learning round, from stored experiences to an adapter and a decision."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from agent.contexts.rows import pair_rows
from agent.events import Event, LearnFinished, LearnStep, Notice, StageStarted
from agent.rounds.learn import CannotTrainError, LearnError, Measure, learn
from agent.rounds.options import LearnOptions
from learning.contexts.context import ApiContext
from learning.contexts.use import UseOrigin
from learning.experience.store import ExperienceStore
from learning.model.catalog import InstalledModel
from learning.model.chat import ChatFormat
from learning.promotion.adapters import AdapterManifest, AdapterStore
from learning.promotion.claims import Claim, claim_of, learned_uses
from learning.promotion.gate import Trial
from learning.promotion.report import LearningReport, terminal_report
from learning.records import Experience, Verdict
from learning.training.job import Example, ExampleKind
from sandbox.box.contract import EngineUnavailableError
from tests.fakes.experiences import make_experience
from tests.fakes.tiny_llama import build_tiny_model, spoken
from tests.fakes.trials import scores, won_trial
from tests.fakes.yields import read_yields

_BEFORE = "total = 1\n"
_AFTER = "total = 0\n"
_QUICK = LearnOptions(steps=3, rank=4, learning_rate=1e-2)
_ENDLESS = LearnOptions(steps=100_000, rank=4, max_examples=60)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> InstalledModel:
    return build_tiny_model(tmp_path_factory.mktemp("tiny"))


@dataclass(frozen=True, slots=True)
class _Place:
    store: ExperienceStore
    adapters: AdapterStore
    jobs: Path
    model: InstalledModel

    def learn(
        self,
        options: LearnOptions = _QUICK,
        *,
        measure: Measure | None = None,
        rows: Sequence[Example] = (),
    ) -> AsyncIterator[Event]:
        async def uses(_emit: object) -> Sequence[Example]:
            return rows

        return learn(
            measure=measure,
            uses=uses,
            store=self.store,
            adapters=self.adapters,
            model=self.model,
            repository="shop",
            jobs=self.jobs,
            options=options,
            environ={"PATH": os.environ["PATH"], "OMP_NUM_THREADS": "1"},
        )

    async def all_events(self, options: LearnOptions = _QUICK) -> list[Event]:
        return [event async for event in self.learn(options)]


@pytest.fixture
def place(model: InstalledModel, tmp_path: Path) -> Iterator[_Place]:
    with ExperienceStore.open(tmp_path / "e.sqlite3") as store:
        yield _Place(store, AdapterStore(tmp_path / "adapters"), tmp_path / "learn", model)


def _pair(model: InstalledModel) -> tuple[Experience, Experience]:
    assert model.hf
    chat = ChatFormat.load(model.hf)
    failed = spoken(chat, "bad", f"```\n{_BEFORE}```", before=_BEFORE, after=_BEFORE)
    fixed = spoken(
        chat,
        "good",
        f"```\n{_AFTER}```",
        before=_BEFORE,
        after=_AFTER,
        verdict=Verdict.PASS,
        evidence=(),
        fixes="bad",
    )
    return failed, fixed


def _fill(place: _Place) -> None:
    for experience in _pair(place.model):
        place.store.add(experience)


def _texts(events: Sequence[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, Notice)]


def _workers(jobs: Path) -> list[int]:
    found = []
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            command = (folder / "cmdline").read_bytes() if folder.name.isdigit() else b""
            if b"learning.training.worker" in command and bytes(jobs) in command:
                found.append(int(folder.name))
    return found


async def test_a_round_ends_with_an_adapter_in_shadow_and_is_not_repeated(place: _Place) -> None:
    _fill(place)
    events = await place.all_events()
    finished = events[-1]
    assert isinstance(finished, LearnFinished)
    assert finished.decision == "shadow"
    assert finished.reason == "kept in shadow: not enough held-out evidence (0 of 30)"
    (manifest,) = place.adapters.list()
    assert finished.adapter == manifest.name
    assert finished.adapter.startswith("el-shop-v0001-")
    assert finished.experiences == 2
    assert Path(finished.folder) == place.adapters.path(manifest.name)
    assert place.adapters.active() is None
    place.adapters.verify(manifest.name, base=place.model.identity)
    steps = [event for event in events if isinstance(event, LearnStep)]
    assert [step.step for step in steps] == [1, 2, 3]
    assert StageStarted("loading the model") in events
    assert _texts(events)[:3] == [
        "to learn: 1 fixes of failed attempts",
        "to learn: 1 failures with what the tools said",
        "1 of 1 failures have a verified fix (100 %)",
    ]
    (account,) = read_yields(place.jobs)
    assert (account.source, account.failures, account.pairs) == ("sessions", 1, 1)
    assert [path for path in place.jobs.iterdir() if path.is_dir()] == []

    again = (await place.all_events())[-1]
    assert isinstance(again, LearnFinished)
    assert again.decision == "nothing_to_learn"
    assert finished.adapter in again.reason


def _rows(old: str, new: str) -> Sequence[Example]:
    code = f"import polars as pl\n\ndef compute(values):\n    return pl.Series(values).{new}()\n"
    start = code.index(new)
    context = ApiContext(
        api=f"polars.Series.{old} -> {new}",
        library="polars",
        version="2",
        origin=UseOrigin.DOCSTRING,
        request="Sum it up.",
        head="def compute(values):",
        code=code,
        call="compute([1])",
        value="[1]",
        line=f"pl.Series(values).{new}()",
        stale=code.replace(new, old),
        names=((start, start + len(new)),),
    )
    return pair_rows([context], model="tiny", experiences={context.api: ["bad"]})


async def test_uses_of_an_api_are_learned_once_and_are_what_the_adapter_claims(
    place: _Place,
) -> None:
    rows = _rows("cumsum", "cum_sum")

    finished = [event async for event in place.learn(rows=rows)][-1]
    assert isinstance(finished, LearnFinished)
    (manifest,) = place.adapters.list()
    assert claim_of(manifest) is Claim.LIBRARY
    assert learned_uses([manifest]) == {row.use.context for row in rows if row.use}
    assert manifest.selected_ids == ("bad",), "forgetting the failure taints what it led to"
    told = list(terminal_report(LearningReport(manifest=manifest, examples=())))
    assert told[2:4] == [
        "verified uses of 1 API that changed:",
        "    1  polars.Series.cumsum -> cum_sum",
    ]

    again = [event async for event in place.learn(rows=rows)][-1]
    assert isinstance(again, LearnFinished)
    assert again.decision == "nothing_to_learn"
    other = [*rows, *_rows("take", "gather")]
    more = [event async for event in place.learn(rows=other)][-1]
    assert isinstance(more, LearnFinished)
    assert more.decision == "shadow"


async def test_a_round_whose_adapter_wins_its_trial_puts_it_to_use(place: _Place) -> None:
    _fill(place)
    asked: list[str] = []

    async def measure(manifest: AdapterManifest, _emit: object) -> Trial:
        assert _workers(place.jobs) == [], "its memory is free before the models are loaded"
        asked.append(manifest.name)
        return won_trial()

    finished = [event async for event in place.learn(measure=measure)][-1]
    assert isinstance(finished, LearnFinished)
    assert finished.decision == "promoted"
    assert finished.gates[-1].startswith("tasks never used before: passed (30 wins")
    active = place.adapters.active()
    assert active is not None
    assert asked == [active.name]
    assert active.decision["kind"] == "promoted"
    place.adapters.verify(active.name, base=place.model.identity)


def _forgetful() -> Trial:
    return replace(won_trial(), regression=scores(60, losses=5), confirming=None)


@pytest.mark.parametrize("copy_forgets", [False, True])
async def test_an_adapter_that_wins_and_forgets_is_followed_by_one_copy_at_half_its_strength(
    place: _Place, *, copy_forgets: bool
) -> None:
    _fill(place)
    asked: list[AdapterManifest] = []

    async def measure(manifest: AdapterManifest, _emit: object) -> Trial:
        asked.append(manifest)
        return _forgetful() if copy_forgets or len(asked) == 1 else won_trial()

    events = [event async for event in place.learn(measure=measure)]
    full, half = asked
    assert half.config["weaker_copy_of"] == full.name
    assert half.config["strength"] == 0.5
    assert half.experience_ids == full.experience_ids
    assert place.adapters.get(full.name).decision["kind"] == "rejected"
    assert _texts(events)[-1] == (
        f"{full.name} is not used: it forgets: 5 losses on 60 general tasks, at most 2 are allowed."
        f" A copy halfway back to the bare model, {half.name}, is tried next"
    )
    finished, active = events[-1], place.adapters.active()
    assert isinstance(finished, LearnFinished)
    assert finished.adapter == half.name
    assert finished.decision == ("rejected" if copy_forgets else "promoted")
    assert (active and active.name) == (None if copy_forgets else half.name)


async def test_an_adapter_that_did_not_win_is_not_tried_at_half_its_strength(place: _Place) -> None:
    _fill(place)
    asked: list[str] = []

    async def measure(manifest: AdapterManifest, _emit: object) -> Trial:
        asked.append(manifest.name)
        return replace(won_trial(), held_out=scores(30, wins=3, losses=3))

    finished = [event async for event in place.learn(measure=measure)][-1]
    assert isinstance(finished, LearnFinished)
    assert (finished.adapter, finished.decision) == (asked[0], "rejected")
    assert len(asked) == 1


async def test_a_trial_that_cannot_be_run_leaves_the_adapter_in_shadow(place: _Place) -> None:
    _fill(place)

    async def measure(_manifest: object, _emit: object) -> Trial:
        raise EngineUnavailableError("no engine answers")

    events = [event async for event in place.learn(measure=measure)]
    assert isinstance(events[-1], LearnFinished)
    assert events[-1].decision == "shadow"
    assert _texts(events)[-1].startswith("not tried: no engine answers; `elagent adapters try el-")


async def test_an_empty_store_is_nothing_to_learn(place: _Place) -> None:
    (finished,) = await place.all_events()
    assert isinstance(finished, LearnFinished)
    assert (finished.decision, finished.adapter) == ("nothing_to_learn", None)


async def test_text_without_token_ids_is_counted_and_not_learned(place: _Place) -> None:
    failed, _ = _pair(place.model)
    place.store.add(replace(failed, action=replace(failed.action, token_ids=(), prompt_ids=())))
    events = await place.all_events()
    assert _texts(events) == ["1 example skipped: recorded without token ids"]
    assert isinstance(events[-1], LearnFinished)
    assert events[-1].decision == "nothing_to_learn"


async def test_experiences_that_turn_out_unusable_end_without_an_adapter(place: _Place) -> None:
    place.store.add(make_experience())  # its prompt ids are not those of its messages
    events = await place.all_events()
    assert _texts(events)[-1] == "1 example skipped: its prompt cannot be rebuilt token by token"
    assert isinstance(events[-1], LearnFinished)
    assert events[-1].decision == "nothing_to_learn"
    assert place.adapters.list() == ()


async def test_a_dry_run_says_the_cost_and_leaves_nothing(place: _Place) -> None:
    _fill(place)
    events = await place.all_events(replace(_QUICK, dry_run=True))
    assert {type(event) for event in events} == {Notice}
    assert "at most 3 steps over 2 examples of at most " in _texts(events)[-1]
    assert [path for path in place.jobs.iterdir() if path.is_dir()] == []


async def test_a_dry_run_counts_only_what_a_run_can_use(place: _Place) -> None:
    _fill(place)
    place.store.add(make_experience())  # its prompt ids are not those of its messages
    promised = _texts(await place.all_events(replace(_QUICK, dry_run=True)))
    events = await place.all_events()
    assert "1 example skipped: its prompt cannot be rebuilt token by token" in promised
    assert promised[:-1] == _texts(events)[: len(promised) - 1], "the run says the same"
    assert "at most 3 steps over 2 examples" in promised[-1]
    assert [e.step for e in events if isinstance(e, LearnStep)] == [1, 2, 3]


async def test_a_dry_run_over_nothing_usable_ends_as_the_run_does(place: _Place) -> None:
    place.store.add(make_experience())
    dry = await place.all_events(replace(_QUICK, dry_run=True))
    assert dry == await place.all_events()
    assert isinstance(dry[-1], LearnFinished)


@pytest.mark.parametrize("discard", [False, True])
async def test_a_dry_run_tells_of_an_interrupted_round_and_leaves_it(
    place: _Place, discard: bool
) -> None:
    _fill(place)
    folder = _interrupted(place)
    events = await place.all_events(replace(_QUICK, dry_run=True, discard=discard))
    assert folder.exists()
    if discard:
        assert _texts(events)[0] == "an interrupted round would be thrown away: as you asked"
    else:
        (said,) = _texts(events)
        assert "over 1 examples was interrupted: it would be resumed first" in said


async def test_a_dry_run_says_that_the_memory_is_too_small(place: _Place, tmp_path: Path) -> None:
    _fill(place)
    there = replace(place, model=replace(place.model, hf=_huge(place, tmp_path)))
    events = await there.all_events(replace(_QUICK, dry_run=True))
    assert _texts(events)[-1].startswith("this would not begin: training this model needs ")


async def _until_first_step(events: AsyncIterator[Event]) -> None:
    async for event in events:
        if isinstance(event, LearnStep):
            return
    pytest.fail("no step was taken")


def _fill_for_long(place: _Place) -> None:
    """So many examples that the round lasts, whatever the machine."""
    failed, _ = _pair(place.model)
    for number in range(60):
        place.store.add(replace(failed, id=f"bad-{number}"))


async def test_cancelling_ends_the_worker_and_the_next_round_goes_on(place: _Place) -> None:
    _fill_for_long(place)
    events = place.learn(_ENDLESS)
    await _until_first_step(events)
    assert len(_workers(place.jobs)) == 1
    waiting = asyncio.ensure_future(anext(events))
    await asyncio.sleep(0)
    started = time.monotonic()
    waiting.cancel()
    with contextlib.suppress(asyncio.CancelledError, StopAsyncIteration):
        await waiting
    await events.aclose()  # type: ignore[attr-defined]
    assert time.monotonic() - started < 2.0
    assert _workers(place.jobs) == []
    resumed = await place.all_events(_ENDLESS)
    assert "an earlier round was interrupted: going on from its last step" in _texts(resumed)
    steps = [event.step for event in resumed if isinstance(event, LearnStep)]
    assert steps[0] > 1
    assert steps == list(range(steps[0], steps[-1] + 1))
    assert isinstance(resumed[-1], LearnFinished)
    assert resumed[-1].decision == "shadow"


async def test_a_second_round_at_the_same_time_is_refused(place: _Place) -> None:
    _fill_for_long(place)
    events = place.learn(_ENDLESS)
    await _until_first_step(events)
    with pytest.raises(LearnError, match="another learning round is running"):
        await place.all_events()
    await events.aclose()  # type: ignore[attr-defined]


def _interrupted(place: _Place) -> Path:
    """A round that was written and never started."""
    from learning.training.job import Example, ExampleKind, TrainingJob, write_job

    folder = place.jobs / "old"
    job = TrainingJob(
        id="old",
        model=place.model.name,
        model_folder=str(place.model.hf),
        base=place.model.identity,
        adapter_prefix="el-shop-v0001",
        created_at=0.0,
    )
    failed, _ = _pair(place.model)
    write_job(folder, job, [Example(kind=ExampleKind.EVIDENCE, step=failed)])
    return folder


async def test_a_round_with_a_forgotten_experience_is_thrown_away(place: _Place) -> None:
    _fill(place)
    folder = _interrupted(place)
    place.store.forget("bad")
    events = await place.all_events()
    assert _texts(events)[0].endswith("thrown away: it used an experience that was forgotten")
    assert not folder.exists()
    assert isinstance(events[-1], LearnFinished)
    assert events[-1].decision == "nothing_to_learn"


@pytest.mark.parametrize("case", ["asked", "damaged", "another model"])
async def test_a_round_that_cannot_go_on_is_thrown_away_with_the_reason(
    place: _Place, case: str
) -> None:
    folder = _interrupted(place)
    here, options = place, _QUICK
    if case == "asked":
        options = replace(_QUICK, discard=True)
    elif case == "damaged":
        (folder / "job.json").write_text("{")
    else:
        other = replace(place.model.identity, template_sha256="other")
        here = replace(place, model=replace(place.model, identity=other))
    events = await here.all_events(options)
    said = {"asked": "as you asked", "damaged": "cannot be read"}.get(case, case)
    assert said in _texts(events)[0]
    assert not folder.exists()


async def test_a_worker_that_fails_says_why_and_leaves_no_job_to_fail_again(
    place: _Place, tmp_path: Path
) -> None:
    _fill(place)
    assert place.model.hf
    broken = tmp_path / "broken"
    broken.mkdir()
    for file in place.model.hf.iterdir():
        (broken / file.name).write_bytes(file.read_bytes())
    (broken / "config.json").write_text("{}")
    there = replace(place, model=replace(place.model, hf=broken))
    with pytest.raises(LearnError, match=r"learning failed: .*broken"):
        await there.all_events()
    assert [path for path in place.jobs.iterdir() if path.is_dir()] == []


def _huge(place: _Place, tmp_path: Path) -> Path:
    """The model's folder with weights that no machine has room for."""
    huge = tmp_path / "huge"
    huge.mkdir()
    assert place.model.hf
    for file in place.model.hf.iterdir():
        if file.suffix != ".safetensors":
            (huge / file.name).write_bytes(file.read_bytes())
    header = b'{"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 1000000000000000]}}'
    (huge / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    return huge


async def test_too_little_memory_is_the_machine_s_fault(place: _Place, tmp_path: Path) -> None:
    _fill(place)
    there = replace(place, model=replace(place.model, hf=_huge(place, tmp_path)))
    with pytest.raises(CannotTrainError, match=r"needs \d+\.\d GiB of memory"):
        await there.all_events()


async def test_a_model_without_weights_to_train_is_refused(place: _Place) -> None:
    there = replace(place, model=replace(place.model, hf=None, gguf=Path("m.gguf")))
    with pytest.raises(CannotTrainError, match="only its GGUF file"):
        await there.all_events()


@pytest.mark.slow
async def test_an_adapter_in_use_is_the_parent_of_the_next(place: _Place) -> None:
    failed, fixed = _pair(place.model)
    place.store.add(failed)
    await place.all_events()
    (first,) = place.adapters.list()
    place.adapters.activate(first.name, base=place.model.identity)
    place.store.add(fixed)
    await place.all_events()
    second = place.adapters.list()[-1]
    assert second.parent == first.name
    assert second.name.startswith("el-shop-v0002-")
    active = place.adapters.active()
    assert active
    assert active.name == first.name, "a new adapter stays in shadow"


async def test_evidence_that_the_model_may_not_be_able_to_read_is_said_and_not_distilled(
    place: _Place,
) -> None:
    _fill(place)
    kinds = replace(_QUICK, dry_run=True)
    asked = replace(kinds, kinds=frozenset({ExampleKind.EVIDENCE}))
    quiet, loud = await place.all_events(kinds), await place.all_events(asked)
    said = "failing tests as lessons: untested yet, needs 30 trial tasks (0 so far)"
    assert f"{said}: only the tool's words are learned" in _texts(quiet)
    assert f"{said}: learned from because you asked" in _texts(loud)
    assert "1 example skipped: of a type that was not asked for" in _texts(loud)


@pytest.mark.slow
async def test_a_rebuild_uses_what_was_not_forgotten_and_the_clean_ancestor(
    place: _Place,
) -> None:
    _fill(place)
    tainted = (await place.all_events())[-1]
    assert isinstance(tainted, LearnFinished)
    place.store.forget("bad")
    assert tainted.adapter
    again = (await place.all_events(replace(_QUICK, rebuild=tainted.adapter)))[-1]
    assert isinstance(again, LearnFinished)
    assert again.decision == "nothing_to_learn"  # a fix without its failing step teaches nothing
