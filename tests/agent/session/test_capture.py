"""What the agent did becomes experiences that are linked and can be learned from."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from agent.editing.edits import Accepted
from agent.events import ExperienceRecorded
from agent.session.capture import Recorder, observation_tier
from agent.testing.failures import evidence_of
from agent.turn.steps import TurnStep
from learning.experience.codec import decode
from learning.experience.store import ExperienceStore
from learning.records import (
    Evidence,
    EvidenceKind,
    Experience,
    Message,
    Origin,
    Tier,
    Trust,
    Verdict,
)
from learning.training.selection import select
from sandbox.box.status import VerdictTrust
from sandbox.verdict.report import Frame, RunStatus, TestOutcome, TestReport, TestResult
from tests.fakes.experiences import make_action, make_evidence
from tests.fakes.sandbox import failed, passed, report

_ASKED = (Message(role="user", content="Repair it."),)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ExperienceStore]:
    with ExperienceStore.open(tmp_path / "e.sqlite3") as opened:
        yield opened


def _recorder(store: ExperienceStore) -> Recorder:
    numbers = itertools.count(1)
    return Recorder(
        store,
        repository="shop",
        session="s1",
        clock=lambda: 12.5,
        new_id=lambda: f"e{next(numbers)}",
    )


def _record(recorder: Recorder, verdict: Verdict, *targets: str) -> ExperienceRecorded | None:
    draft = replace(
        Experience.draft(_ASKED, make_action(), verdict),
        evidence=(make_evidence(),) if verdict is Verdict.FAIL else (),
        targets=targets,
        path="shop.py",
        before="x = 0\n",
        after="x = 1\n",
    )
    return recorder.record(draft)


def test_an_action_is_stored_as_it_was(store: ExperienceStore) -> None:
    event = _record(_recorder(store), Verdict.FAIL, "t1")
    assert event == ExperienceRecorded(id="e1", verdict="fail", subject="t1")
    (stored,) = store.list()
    assert (stored.id, stored.session, stored.created_at, stored.repository) == (
        "e1",
        "s1",
        12.5,
        "shop",
    )
    assert stored.messages == _ASKED
    assert stored.action == make_action()
    assert stored.model == "tiny"
    assert stored.evidence == (make_evidence(),)
    assert (stored.before, stored.after) == ("x = 0\n", "x = 1\n")


def test_a_pass_fixes_the_first_failing_action_of_its_target(store: ExperienceStore) -> None:
    recorder = _recorder(store)
    for verdict, target in [
        (Verdict.FAIL, "t1"),
        (Verdict.FAIL, "t2"),
        (Verdict.FAIL, "t1"),
        (Verdict.PASS, "t1"),
        (Verdict.PASS, "t1"),
        (Verdict.PASS, "t3"),
        (Verdict.PASS, "t2"),
    ]:
        _record(recorder, verdict, target)
    fixes = {experience.id: experience.fixes for experience in store.list()}
    assert fixes == {"e1": "", "e2": "", "e3": "", "e4": "e1", "e5": "", "e6": "", "e7": "e2"}


def test_a_failure_of_an_earlier_session_is_not_linked(store: ExperienceStore) -> None:
    _record(_recorder(store), Verdict.FAIL, "t1")
    later = Recorder(store, repository="shop", session="s2", new_id=lambda: "later")
    _record(later, Verdict.PASS, "t1")
    assert store.list(session="s2")[0].fixes == ""


def test_nothing_is_recorded_while_capture_is_off(store: ExperienceStore) -> None:
    store.set_capturing(on=False)
    recorder = _recorder(store)
    assert _record(recorder, Verdict.FAIL, "t1") is None
    store.set_capturing(on=True)
    _record(recorder, Verdict.PASS, "t1")
    (stored,) = store.list()
    assert stored.fixes == "", "it would name an experience that was not kept"


def test_a_red_test_becomes_evidence_of_the_harness() -> None:
    result = TestResult(
        id="tests/test_shop.py::test_total",
        outcome=TestOutcome.FAILED,
        message="assert 9 == 6\n +  where 9 = total([1, 2, 3])",
        exception="AssertionError",
        file="tests/test_shop.py",
        line=7,
        frames=(Frame(file="tests/test_shop.py", line=7, function="test_total"),),
        detail="a long report with source lines",
    )
    assert evidence_of(result) == Evidence(
        kind=EvidenceKind.TEST_FAILURE,
        tier=Tier.HARNESS,
        subject="tests/test_shop.py::test_total",
        exception="AssertionError",
        message="assert 9 == 6\n +  where 9 = total([1, 2, 3])",
        file="tests/test_shop.py",
        line=7,
        function="test_total",
        got="9",
        expected="6",
    )


def test_a_plain_command_is_read_by_its_last_traceback() -> None:
    detail = (
        "starting\nTraceback (most recent call last):\n"
        "  File \"run.py\", line 3, in main\n    go()\nKeyError: 'sku'\n"
    )
    result = TestResult(id="make check", outcome=TestOutcome.FAILED, detail=detail)
    evidence = evidence_of(result)
    assert (evidence.kind, evidence.exception, evidence.file, evidence.line) == (
        EvidenceKind.TRACEBACK,
        "KeyError",
        "run.py",
        3,
    )
    assert evidence.subject == "make check"


def test_a_failure_that_says_nothing_is_still_evidence_of_its_test() -> None:
    evidence = evidence_of(TestResult(id="make check", outcome=TestOutcome.ERROR))
    assert (evidence.subject, evidence.message) == ("make check", "")


def test_a_long_message_is_capped() -> None:
    result = TestResult(
        id="t", outcome=TestOutcome.FAILED, exception="ValueError", message="x" * 100_000
    )
    assert len(evidence_of(result).message) <= 600


def test_learning_knows_every_trust_level_that_the_sandbox_gives() -> None:
    assert {level.value: level.may_train for level in Trust} == {
        level.value: level.may_train for level in VerdictTrust
    }


def test_a_verdict_is_stored_with_its_trust(store: ExperienceStore) -> None:
    _recorder(store).record(
        replace(Experience.draft(_ASKED, make_action(), Verdict.PASS), trust=Trust.HARDENED)
    )
    assert store.list()[0].trust is Trust.HARDENED


def _edit(path: str = "shop.py", before: str = "x = 0\n", after: str = "x = 1\n") -> Accepted:
    return Accepted(
        path=path,
        target=Path(path),
        before=before,
        after=after,
        stored_before=before,
        stored_after=after,
        data=after.encode(),
    )


def _step(*edits: Accepted, command: str = "", observation: str = "") -> TurnStep:
    return TurnStep(
        messages=_ASKED,
        action=make_action(),
        edits=edits,
        command=command,
        observation=observation,
    )


def _red(*names: str, files: tuple[str, ...] = ()) -> TestReport:
    frames = [(file, 1, "f") for file in files]
    return report(passed("t0"), *(failed(name, frames=frames) for name in names))


def _green(*names: str) -> TestReport:
    return report(passed("t0"), *map(passed, names))


def test_an_edit_that_turned_tests_green_passes_and_says_which(store: ExperienceStore) -> None:
    recorder = _recorder(store)
    recorder.tests_ran(_red("t1", "t2"))
    recorder.acted(_step(_edit(), observation="done"))
    (event,) = recorder.tests_ran(report(passed("t0"), passed("t1"), failed("t2")))
    (stored,) = store.list()
    assert (event.verdict, stored.verdict) == ("pass", Verdict.PASS)
    assert (stored.origin, stored.trust) == (Origin.TURN, Trust.PINNED)
    assert (stored.red_before, stored.green_after) == (("t1", "t2"), ("t1",))
    assert stored.targets == ("t1",)
    assert stored.action == make_action(), "its tokens stay as they were"


def test_the_edit_that_fixed_a_failure_of_an_earlier_edit_is_linked_to_it(
    store: ExperienceStore,
) -> None:
    recorder = _recorder(store)
    recorder.tests_ran(_green("t1"))
    recorder.acted(_step(_edit()))
    recorder.tests_ran(_red("t1"))
    recorder.acted(_step(_edit(before="x = 1\n", after="x = 2\n")))
    recorder.tests_ran(_green("t1"))
    fixed, broke = store.list()
    assert (broke.verdict, broke.targets) == (Verdict.FAIL, ("t1",))
    assert broke.evidence[0].subject == "t1"
    assert (fixed.verdict, fixed.fixes) == (Verdict.PASS, broke.id)


def test_a_red_test_counts_against_an_edit_only_where_it_went_through_that_file(
    store: ExperienceStore,
) -> None:
    recorder = _recorder(store)
    recorder.tests_ran(_red("t1", files=("shop.py",)))
    recorder.acted(_step(_edit("other.py")))
    recorder.tests_ran(_red("t1", files=("shop.py",)))
    recorder.acted(_step(_edit("shop.py")))
    recorder.tests_ran(_red("t1", files=("shop.py",)))
    blamed, unrelated = store.list()
    assert (blamed.verdict, unrelated.verdict) == (Verdict.FAIL, Verdict.UNKNOWN)


def test_tests_that_an_edit_brings_to_light_were_not_broken_by_it(store: ExperienceStore) -> None:
    recorder = _recorder(store)
    recorder.tests_ran(_red("tests/test_shop.py"))
    recorder.acted(_step(_edit()))
    recorder.tests_ran(_red("tests/test_shop.py::test_price", files=("tests/test_shop.py",)))
    assert [item.verdict for item in store.list()] == [Verdict.UNKNOWN]


def test_a_repair_beside_which_red_tests_come_to_light_is_no_pass(store: ExperienceStore) -> None:
    recorder = _recorder(store)
    recorder.tests_ran(_red("t1", "tests/test_shop.py"))
    recorder.acted(_step(_edit()))
    recorder.tests_ran(report(passed("t0"), passed("t1"), failed("tests/test_shop.py::test_price")))
    assert [item.verdict for item in store.list()] == [Verdict.UNKNOWN]


def test_of_several_edits_between_two_runs_none_is_called_the_one(store: ExperienceStore) -> None:
    recorder = _recorder(store)
    recorder.tests_ran(_red("t1"))
    recorder.acted(_step(_edit("a.py")))
    recorder.acted(_step(_edit("b.py")))
    recorder.tests_ran(_green("t1"))
    assert {item.verdict for item in store.list()} == {Verdict.UNKNOWN}
    assert {item.green_after for item in store.list()} == {("t1",)}


def test_one_edit_of_several_files_is_no_files_repair(store: ExperienceStore) -> None:
    recorder = _recorder(store)
    recorder.tests_ran(_red("t1"))
    recorder.acted(_step(_edit("a.py"), _edit("b.py")))
    recorder.tests_ran(_green("t1"))
    assert store.list()[0].verdict is Verdict.UNKNOWN


def test_files_that_were_put_back_are_nobodys_repair_and_nobodys_fault(
    store: ExperienceStore,
) -> None:
    recorder = _recorder(store)
    recorder.tests_ran(report(passed("t1")))
    recorder.acted(_step(_edit("shop.py")))
    recorder.tests_ran(_red("t1", files=("shop.py",)))
    recorder.put_back({"shop.py": "x = 0\n"}.get)
    assert recorder.files_are({"shop.py": "x = 0\n"}.get) == ()
    recorder.acted(_step(_edit("other.py")))
    recorder.tests_ran(_green("t1"))
    assert store.list()[0].verdict is Verdict.UNKNOWN


def test_what_the_user_repaired_by_taking_an_edit_back_is_no_later_edits_merit(
    store: ExperienceStore,
) -> None:
    recorder = _recorder(store)
    recorder.tests_ran(report(passed("t1")))
    recorder.acted(_step(_edit("shop.py")))
    recorder.tests_ran(_red("t1", files=("shop.py",)))
    recorder.files_are({"shop.py": "x = 0\n"}.get)
    recorder.acted(_step(_edit("other.py")))
    recorder.tests_ran(_green("t1"))
    assert store.list()[0].verdict is Verdict.UNKNOWN


def test_a_run_that_is_not_whole_judges_nothing(store: ExperienceStore) -> None:
    recorder = _recorder(store)
    recorder.tests_ran(_red("t1"))
    recorder.acted(_step(_edit()))
    assert recorder.tests_ran(report(passed("t1"), status=RunStatus.TIMEOUT)) == ()
    recorder.tests_ran(_green("t1"))
    assert store.list()[0].verdict is Verdict.PASS


def test_a_command_is_kept_with_what_it_printed(store: ExperienceStore) -> None:
    printed = "Traceback (most recent call last):\n  File \"a.py\", line 1, in f\nKeyError: 'x'"
    _recorder(store).acted(_step(command="python a.py", observation=printed))
    (stored,) = store.list()
    assert (stored.observation, stored.observation_tier) == (printed, Tier.OUTPUT)
    assert [fact.exception for fact in stored.evidence] == ["KeyError"]
    assert {fact.tier for fact in stored.evidence} == {Tier.OUTPUT}


@pytest.mark.parametrize(
    ("command", "tier"),
    [
        ("cat README.md", Tier.FOREIGN),
        ("head -50 docs/guide.rst", Tier.FOREIGN),
        ("cat /usr/lib/python3/site-packages/x/y.py", Tier.FOREIGN),
        ("curl example.org", Tier.FOREIGN),
        ("cat LICENSE", Tier.FOREIGN),
        ("pytest -q", Tier.OUTPUT),
        ("python -m shop.main", Tier.OUTPUT),
    ],
)
def test_text_that_others_wrote_is_marked(command: str, tier: Tier) -> None:
    assert observation_tier(command) is tier


@pytest.mark.parametrize(
    "command", ["cat README.md", "curl https://example.org", "cat site-packages/x/y.py"]
)
def test_documents_the_web_and_dependencies_are_never_trained_on(
    store: ExperienceStore, command: str
) -> None:
    planted = 'Traceback (most recent call last):\n  File "a.py", line 1, in f\nKeyError: PLANTED'
    recorder = _recorder(store)
    recorder.tests_ran(_red("t1"))
    recorder.acted(_step(command=command, observation=planted))
    assert select(store.list(), model="tiny", max_examples=9).examples == ()
    recorder.wrong("that was no help")
    (stored,) = store.list()
    trusted = [fact for fact in stored.evidence if fact.tier is not Tier.FOREIGN]
    assert [fact.message for fact in trusted] == ["that was no help"]


def test_a_correction_by_the_user_makes_the_last_action_wrong(store: ExperienceStore) -> None:
    recorder = _recorder(store)
    assert recorder.wrong("no") is None, "nothing was done yet"
    recorder.acted(_step(_edit()))
    event = recorder.wrong("the tax is missing")
    (stored,) = store.list()
    assert event is not None
    assert stored.verdict is Verdict.FAIL
    (said,) = stored.evidence
    assert (said.kind, said.tier, said.message) == (
        EvidenceKind.USER_CORRECTION,
        Tier.USER,
        "the tax is missing",
    )


def test_an_edit_by_the_user_is_linked_to_the_action_that_it_corrects(
    store: ExperienceStore,
) -> None:
    recorder = _recorder(store)
    recorder.tests_ran(_red("t1"))
    recorder.acted(_step(_edit()))
    assert recorder.files_are({"shop.py": "x = 1\n"}.get) == ()
    (event,) = recorder.files_are({"shop.py": "x = 2\n"}.get)
    assert recorder.files_are({"shop.py": "x = 2\n"}.get) == (), "it is told once"
    users, agents = store.list()
    assert (users.id, users.origin, users.fixes) == (event.id, Origin.USER, agents.id)
    assert (users.before, users.after) == ("x = 1\n", "x = 2\n")
    assert users.action.token_ids == ()
    recorder.tests_ran(_green("t1"))
    assert store.list()[0].verdict is Verdict.PASS
    assert store.list()[0].fixes == agents.id


def test_an_edit_that_was_taken_back_keeps_what_the_tests_said(store: ExperienceStore) -> None:
    recorder = _recorder(store)
    recorder.tests_ran(_red("t1"))
    recorder.acted(_step(_edit()))
    recorder.tests_ran(_green("t1"))
    assert recorder.files_are({"shop.py": "x = 0\n"}.get) == ()
    (stored,) = store.list()
    assert stored.verdict is Verdict.PASS
    assert stored.evidence == ()


def test_an_edit_that_was_taken_back_unjudged_stays_so(store: ExperienceStore) -> None:
    recorder = _recorder(store)
    recorder.tests_ran(_red("t1"))
    recorder.acted(_step(_edit()))
    assert recorder.files_are({"shop.py": "x = 0\n"}.get) == ()
    recorder.tests_ran(_red("t1"))
    assert store.list()[0].verdict is Verdict.UNKNOWN


def test_an_edit_that_was_taken_back_may_still_be_called_wrong(store: ExperienceStore) -> None:
    recorder = _recorder(store)
    recorder.acted(_step(_edit()))
    recorder.files_are({"shop.py": "x = 0\n"}.get)
    recorder.wrong("it is the other way round")
    (stored,) = store.list()
    assert stored.verdict is Verdict.FAIL
    assert stored.evidence[0].kind is EvidenceKind.USER_CORRECTION


def test_what_a_turn_recorded_survives_the_store(store: ExperienceStore) -> None:
    recorder = _recorder(store)
    recorder.acted(_step(_edit(), command="make", observation="token=ghp_" + "a" * 36))
    (line,) = store.export()
    assert decode(line).origin is Origin.TURN
    assert "ghp_" not in line


def test_experiences_from_before_this_was_kept_can_be_read(store: ExperienceStore) -> None:
    _recorder(store).acted(_step(_edit()))
    fields = json.loads(next(store.export()))
    for name in ("origin", "observation", "observation_tier", "red_before", "green_after"):
        del fields[name]
    assert decode(json.dumps(fields)).origin is Origin.FIX
