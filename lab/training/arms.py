"""Arms that make a claim of learning honest: other ways to learn from the same recorded rollouts.

Every arm gets the rollouts of the bare model at the experience tasks, judged once (so all use the
same number of sandbox runs), the same steps at most and the same time at most, and is measured on
the same held-out tasks. What differs is only what it learns and by which rule.
"""

from __future__ import annotations

import dataclasses
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from agent.rounds.process import WORKER
from lab.rows.rollouts import Rollout
from lab.training.train import TRL_WORKER
from learning.evidence.judge import judged_evidence
from learning.records import (
    Action,
    Evidence,
    Experience,
    Message,
    Trust,
    Verdict,
)
from learning.training.job import Example, ExampleKind
from learning.training.rules import PLAIN_SDPO, LearningRule, LossRule, TargetRule

_ALONE = LearningRule(min_cosine=-1.0, held_out=0.0)
"""Every batch is a step, nothing is spared: the arms differ only in what they learn."""
_SFT = dataclasses.replace(
    _ALONE,
    loss=LossRule(
        evidence=0.0, eta=1.0, nll_floor=1.0, echo=0.0, base_anchor=0.0, context_anchor=0.0
    ),
)
_ECHO = dataclasses.replace(
    _ALONE,
    loss=LossRule(evidence=0.0, eta=0.0, echo=1.0, base_anchor=0.0, context_anchor=0.0),
)
_EVIDENCE = dataclasses.replace(_ALONE, loss=LossRule(eta=0.0, echo=0.0))
_FILE = "solution.py"
_FIRST_TRY_WEIGHT = 0.3
_WORDS = "amber basin cedar delta ember fjord grove harbor inlet jetty kelp lagoon meadow north"
_NUMBER = re.compile(r"-?\d+")
_OTHER_ERRORS = ("KeyError", "ZeroDivisionError", "RecursionError")


def experience_of(attempt: Rollout, messages: Sequence[Message], *, model: str) -> Experience:
    """Make the record of one attempt as the recorder would; all of its reply counts as written."""
    facts = () if attempt.passed else (_failure(attempt),)
    return Experience(
        id=f"{attempt.task_id}#{attempt.index}",
        session="baselines",
        created_at=0.0,
        repository="baselines",
        model=model,
        messages=tuple(messages),
        action=Action(
            text=attempt.text,
            model=model,
            adapter=None,
            prompt_ids=attempt.prompt_ids,
            token_ids=attempt.token_ids,
        ),
        verdict=Verdict.PASS if attempt.passed else Verdict.FAIL,
        evidence=facts,
        targets=(attempt.task_id,),
        path=_FILE,
        after=attempt.text,
        trust=Trust.JUDGE,
    )


def _failure(attempt: Rollout) -> Evidence:
    return judged_evidence(attempt.said, subject=attempt.task_id, file=_FILE)


def examples_for(arm: Arm, experiences: Sequence[Experience], *, seed: int) -> tuple[Example, ...]:
    """The examples of an arm, chosen from the rollouts that all arms have; none for the base."""
    failed = [each for each in experiences if each.verdict is Verdict.FAIL]
    passed = [each for each in experiences if each.verdict is Verdict.PASS]
    chance = random.Random(f"{seed}:{arm.name}")  # noqa: S311 - reproducible
    return arm.choose(Rollouts(all=experiences, failed=failed, passed=passed, chance=chance))


def _nothing(_judged: Rollouts) -> tuple[Example, ...]:
    return ()


def _repairs_failures_and_passes(judged: Rollouts) -> tuple[Example, ...]:
    return (
        *_pairs(judged.failed, judged.passed),
        *_failures(judged.failed, read=False),
        *_first_tries(judged.passed, weight=_FIRST_TRY_WEIGHT),
    )


def _passes(judged: Rollouts) -> tuple[Example, ...]:
    return _first_tries(judged.passed)


def _everything(judged: Rollouts) -> tuple[Example, ...]:
    return _first_tries(judged.all)


def _unequal_groups(judged: Rollouts) -> tuple[Example, ...]:
    """All rollouts of tasks with passes and failures: a group of equal rewards has no advantage."""
    mixed = _tasks(judged.passed) & _tasks(judged.failed)
    return _first_tries([each for each in judged.all if each.targets in mixed])


def _solved_groups(judged: Rollouts) -> tuple[Example, ...]:
    """All rollouts of tasks with a pass, which the teacher is shown."""
    return _first_tries([each for each in judged.all if each.targets in _tasks(judged.passed)])


def _unread_failures(judged: Rollouts) -> tuple[Example, ...]:
    return _failures(judged.failed, read=False)


def _read_failures(judged: Rollouts) -> tuple[Example, ...]:
    return _failures(judged.failed, read=True)


def _shuffled_failures(judged: Rollouts) -> tuple[Example, ...]:
    """Each failure with the evidence of another task."""
    others = _of_other_tasks(judged.failed, judged.chance)
    pairs = zip(judged.failed, others, strict=True)
    return _failures(
        [dataclasses.replace(each, evidence=other.evidence) for each, other in pairs], read=True
    )


def _random_failures(judged: Rollouts) -> tuple[Example, ...]:
    """Each failure with random words as evidence."""
    return _failures(_with_evidence(judged, _random), read=True)


def _wrong_failures(judged: Rollouts) -> tuple[Example, ...]:
    """Each failure with false evidence."""
    return _failures(_with_evidence(judged, _wrong), read=True)


def _with_evidence(
    judged: Rollouts, change: Callable[[Evidence, random.Random], Evidence]
) -> list[Experience]:
    return [
        dataclasses.replace(
            each, evidence=tuple(change(fact, judged.chance) for fact in each.evidence)
        )
        for each in judged.failed
    ]


def _tasks(experiences: Sequence[Experience]) -> set[tuple[str, ...]]:
    return {each.targets for each in experiences}


def _pairs(failed: Sequence[Experience], passed: Sequence[Experience]) -> tuple[Example, ...]:
    """Each failure with a repair by the same model: its first passing sibling."""
    fixes: dict[str, Experience] = {}
    for each in passed:
        fixes.setdefault(each.targets[0], each)
    return tuple(
        Example(kind=ExampleKind.HINDSIGHT, step=each, fix=fix, read_evidence=False)
        for each in failed
        if (fix := fixes.get(each.targets[0])) is not None
    )


def _failures(failed: Sequence[Experience], *, read: bool) -> tuple[Example, ...]:
    return tuple(
        Example(kind=ExampleKind.EVIDENCE, step=each, read_evidence=read) for each in failed
    )


def _first_tries(steps: Sequence[Experience], *, weight: float = 1.0) -> tuple[Example, ...]:
    return tuple(Example(kind=ExampleKind.FIRST_TRY, step=each, weight=weight) for each in steps)


def _of_other_tasks(failed: Sequence[Experience], chance: random.Random) -> list[Experience]:
    """Choose for each failure one of another task; itself if there is no other task."""
    return [
        chance.choice([other for other in failed if other.targets != each.targets] or [each])
        for each in failed
    ]


def _random(fact: Evidence, chance: random.Random) -> Evidence:
    count = max(1, len(fact.message.split()))
    return dataclasses.replace(
        fact,
        exception="",
        message=" ".join(chance.choice(_WORDS.split()) for _ in range(count)),
        expected="",
        got="",
    )


def _wrong(fact: Evidence, chance: random.Random) -> Evidence:
    """Another exception, other numbers, and the two sides of a comparison exchanged."""
    others = [name for name in _OTHER_ERRORS if name != fact.exception]
    return dataclasses.replace(
        fact,
        exception=chance.choice(others),
        message=_NUMBER.sub(lambda found: str(int(found[0]) + 7), fact.message),
        expected=fact.got,
        got=fact.expected,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollouts:
    """The judged rollouts that all arms have, as experiences."""

    all: Sequence[Experience]
    failed: Sequence[Experience]
    passed: Sequence[Experience]
    chance: random.Random
    """Draws the same numbers for the same seed and arm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """An arm: the examples, the rule, and the worker that trains."""

    name: str
    about: str
    choose: Callable[[Rollouts], tuple[Example, ...]]
    rule: LearningRule = field(default_factory=LearningRule)
    worker: str = WORKER

    @property
    def needs_trl(self) -> bool:
        """True for arms that need the extra `baselines`."""
        return self.worker == TRL_WORKER


_ARMS = (
    Arm(name="base", about="the bare model", choose=_nothing),
    Arm(
        name="el",
        about="fixes, the tools' words and anchors: what `elagent learn` does",
        choose=_repairs_failures_and_passes,
    ),
    Arm(
        name="rft",
        about="likelihood of the attempts that passed (rejection fine-tuning, arXiv 2203.14465)",
        choose=_passes,
        rule=_SFT,
    ),
    Arm(
        name="ssd",
        about="likelihood of all attempts, right or wrong: sharpening alone",
        choose=_everything,
        rule=_SFT,
    ),
    Arm(
        name="echo",
        about="the tools' words after failed attempts (arXiv 2605.24517)",
        choose=_unread_failures,
        rule=_ECHO,
    ),
    Arm(
        name="sdpo",
        about="towards what the model says when shown the failure (arXiv 2601.20802), own trainer",
        choose=_read_failures,
        rule=PLAIN_SDPO,
    ),
    Arm(
        name="evidence",
        about="the evidence term alone",
        choose=_read_failures,
        rule=_EVIDENCE,
    ),
    Arm(
        name="neutral",
        about="control: what any note does, whatever it says",
        choose=_read_failures,
        rule=dataclasses.replace(_EVIDENCE, target=TargetRule(gamma_c=0.0, gamma_s=1.0)),
    ),
    Arm(
        name="shuffled",
        about="control: the evidence term with the failure of another task",
        choose=_shuffled_failures,
        rule=_EVIDENCE,
    ),
    Arm(
        name="random",
        about="control: the evidence term with random words of the same length",
        choose=_random_failures,
        rule=_EVIDENCE,
    ),
    Arm(
        name="wrong",
        about="control: the evidence term with a false account of the failure",
        choose=_wrong_failures,
        rule=_EVIDENCE,
    ),
    Arm(
        name="trl-grpo",
        about="passes as a reward, by TRL's trainer (arXiv 2402.03300)",
        choose=_unequal_groups,
        worker=TRL_WORKER,
    ),
    Arm(
        name="trl-sdpo",
        about="as sdpo, by TRL's trainer",
        choose=_everything,
        worker=TRL_WORKER,
    ),
    Arm(
        name="trl-sdft",
        about="towards what the model says when shown a pass, by TRL's trainer (arXiv 2601.19897)",
        choose=_solved_groups,
        worker=TRL_WORKER,
    ),
)
ARMS = {arm.name: arm for arm in _ARMS}
