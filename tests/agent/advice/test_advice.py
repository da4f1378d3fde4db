"""Facts and hints in the fix loop and after a failed command, and who is told of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from agent.advice.failure import EnvironmentFact
from agent.advice.gathering import Advice, Advisor
from agent.advice.lessons import Hints, RepairLesson, lessons_of
from agent.events import Notice
from agent.fixing.fix import fix
from agent.fixing.sources import Sources
from learning.experience.store import StoreError
from learning.records import Evidence, EvidenceKind, Message, Tier, Verdict
from sandbox.box.contract import Captured, Ending, Execution
from sandbox.verdict.report import TestResult
from tests.agent.fixing.test_fix import ListRecorder, Project, flags, reply
from tests.fakes.experiences import make_experience
from tests.fakes.model import ScriptedModel
from tests.fakes.sandbox import failed, report

FACT = EnvironmentFact(
    subject="flags 2.0", text="flags 2.0: flags has no four: do not use it. Use flags.three"
)
WRONG = reply(flags(one=True, two=True) + "x = 1\n")
GOOD = reply(flags(one=True, two=True, three=True))


class Helps:
    """Gives the same advice to everybody."""

    def __init__(self, advice: Advice) -> None:
        self.advice = advice
        self.asked: list[str] = []

    async def __call__(self, result: TestResult, sources: Sources) -> Advice:
        self.asked.append(result.id)
        return self.advice


async def run_fix(
    tmp_path: Path, helps: Helps, *replies: str
) -> tuple[ScriptedModel, ListRecorder, list[str]]:
    project = Project(tmp_path, flags(one=True, two=True))
    model, recorder = ScriptedModel(script=list(replies)), ListRecorder()
    notices = [
        event.text
        async for event in fix(
            root=project.root,
            files=project.files,
            runner=project.runner(),
            model=model,
            recorder=recorder,
            advise=helps,
        )
        if isinstance(event, Notice)
    ]
    return model, recorder, notices


async def test_facts_and_hints_are_in_the_prompt_and_the_hints_are_named(tmp_path: Path) -> None:
    hints = Hints(text="Earlier in this project: -four\n+three", ids=("a1", "b2"))
    helps = Helps(Advice(facts=(FACT,), hints=hints))
    model, _, notices = await run_fix(tmp_path, helps, GOOD)
    prompt = model.requests[0].messages[1].content
    assert FACT.text in prompt
    assert hints.text in prompt
    assert notices == ["used 2 hints from a1, b2"]


async def test_facts_about_a_failed_correction_are_kept_as_evidence(tmp_path: Path) -> None:
    _, recorder, _ = await run_fix(tmp_path, Helps(Advice(facts=(FACT,))), WRONG, GOOD)
    first, second = recorder.kept
    assert [fact.kind for fact in first.evidence] == [
        EvidenceKind.TEST_FAILURE,
        EvidenceKind.ENVIRONMENT,
    ]
    assert first.evidence[1] == Evidence(
        kind=EvidenceKind.ENVIRONMENT,
        tier=Tier.OUTPUT,
        subject="flags 2.0",
        message=FACT.text,
    )
    assert (second.verdict, second.evidence) == (Verdict.PASS, ())


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    return Sources(tmp_path, [])


LESSON = make_experience(
    "e7",
    verdict=Verdict.PASS,
    messages=(
        Message(role="user", content="Failing test: t\nKeyError: 'sku'\n\nThe file shop.py"),
    ),
    before="stock[sku]\n",
    after="stock.get(sku, 0)\n",
)


async def test_a_failed_command_gets_lessons_and_the_person_hears_of_them(sources: Sources) -> None:
    said: list[str] = []
    advisor = Advisor(lessons=lambda: lessons_of([LESSON]), say=said.append)
    texts = await advisor.explain(_ended("KeyError: 'sku'"), sources)
    assert "+stock.get(sku, 0)" in "\n".join(texts)
    assert said == ["used 1 hint from e7"]


async def test_red_tests_of_a_turn_get_lessons(sources: Sources) -> None:
    advisor = Advisor(lessons=lambda: lessons_of([LESSON]))
    red = report(failed("t", "'sku'", exception="KeyError"))
    assert "+stock.get(sku, 0)" in "\n".join(await advisor.explain(red, sources))


async def test_a_store_that_cannot_be_read_costs_the_hints_only(sources: Sources) -> None:
    def damaged() -> Sequence[RepairLesson]:
        raise StoreError("e.sqlite3: damaged")

    said: list[str] = []
    advisor = Advisor(lessons=damaged, say=said.append)
    assert await advisor.explain(_ended("KeyError: 'sku'"), sources) == []
    red = failed("t", "'sku'", exception="KeyError")
    assert await advisor.for_test(red, sources) == Advice()
    assert said == ["no hints: e.sqlite3: damaged"] * 2


async def test_without_memory_and_environment_nothing_is_said(sources: Sources) -> None:
    texts: Sequence[str] = await Advisor().explain(_ended("KeyError: 'sku'"), sources)
    assert texts == []


def _ended(last_line: str) -> Execution:
    printed = f'Traceback (most recent call last):\n  File "a.py", line 1, in f\n{last_line}\n'
    return Execution(
        argv=("sh",),
        ending=Ending.EXITED,
        exit_code=1,
        stdout=Captured(head=b""),
        stderr=Captured(head=printed.encode()),
        duration_s=0.1,
        image_id="image",
    )
