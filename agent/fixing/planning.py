"""Plans the next attempt at a red test: the file, the temperature, and the words of the prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from agent.advice.gathering import Advice
from agent.fixing.attempts import Parts, Plan
from agent.fixing.course import Course
from agent.fixing.options import FixOptions
from sandbox.verdict.report import TestResult

_ATTEMPTS_ON_FIRST_TARGET = 2


async def next_plan(
    parts: Parts,
    options: FixOptions,
    result: TestResult,
    targets: Sequence[str],
    *,
    attempt: int,
    course: Course,
) -> Plan:
    """Greedy at the first file first; then sampled; then at the next likely file.

    If the model repeated itself, the attempt is hotter, with another seed and in other words,
    without the note that led to the same answer.
    """
    later = attempt > _ATTEMPTS_ON_FIRST_TARGET and len(targets) > 1
    temperature = 0.0 if attempt == 1 else options.retry_temperature
    return Plan(
        result=result,
        path=targets[1] if later else targets[0],
        note="" if later or course.stuck else course.note,
        temperature=options.unstick_temperature if course.stuck else temperature,
        seed=options.seed + course.replies,
        advice=await _advice(parts, result, course),
        think=course.stuck,
    )


async def _advice(parts: Parts, result: TestResult, course: Course) -> Advice:
    """Help with the failure and with what the last correction ran into."""
    if parts.advise is None:
        return Advice()
    advice = await parts.advise(result, parts.sources)
    if course.last is None or course.last.message == result.message:
        return advice
    latest = await parts.advise(course.last, parts.sources)
    facts = dict.fromkeys([*advice.facts, *latest.facts])
    return replace(advice if advice.hints.ids else latest, facts=tuple(facts))
