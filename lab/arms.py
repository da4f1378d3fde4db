"""Arms that make a claim of learning honest: other ways to learn from the same recorded attempts.

Every arm gets the attempts of the bare model at the experience tasks, judged once (so all use the
same number of sandbox runs), the same steps at most and the same time at most, and is measured on
the same held-out tasks. What differs is only what it learns and by which rule.
"""

from __future__ import annotations

import dataclasses
import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from lab.article.rollouts import Rollout
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

Arm = Literal[
    "base",
    "el",
    "rft",
    "ssd",
    "echo",
    "sdpo",
    "evidence",
    "neutral",
    "shuffled",
    "random",
    "wrong",
    "trl-grpo",
    "trl-sdpo",
    "trl-sdft",
]
ARMS: tuple[Arm, ...] = get_args(Arm)
TRL_ARMS: tuple[Arm, ...] = ("trl-grpo", "trl-sdpo", "trl-sdft")
"""Those that need the extra `baselines`."""
ABOUT: Mapping[Arm, str] = {
    "base": "the bare model",
    "el": "fixes, the tools' words and anchors: what `elagent learn` does",
    "rft": "likelihood of the attempts that passed (rejection fine-tuning, arXiv 2203.14465)",
    "ssd": "likelihood of all attempts, right or wrong: sharpening alone",
    "echo": "the tools' words after failed attempts (arXiv 2605.24517)",
    "sdpo": "towards what the model says when shown the failure (arXiv 2601.20802), own trainer",
    "evidence": "the evidence term alone",
    "neutral": "control: what any note does, whatever it says",
    "shuffled": "control: the evidence term with the failure of another task",
    "random": "control: the evidence term with random words of the same length",
    "wrong": "control: the evidence term with a false account of the failure",
    "trl-grpo": "passes as a reward, by TRL's trainer (arXiv 2402.03300)",
    "trl-sdpo": "as sdpo, by TRL's trainer",
    "trl-sdft": "towards what the model says when shown a pass, by TRL's trainer (arXiv 2601.19897)",
}

_SFT = LossRule(evidence=0.0, eta=1.0, nll_floor=1.0, echo=0.0, base_anchor=0.0, context_anchor=0.0)
_EVIDENCE = LossRule(eta=0.0, echo=0.0)
_ALONE = LearningRule(min_cosine=-1.0, held_out=0.0)
"""Every batch is a step, nothing is spared: the arms differ in what they learn alone."""
_FILE = "solution.py"
_FIRST_TRY_WEIGHT = 0.3
_WORDS = [
    "amber",
    "basin",
    "cedar",
    "delta",
    "ember",
    "fjord",
    "grove",
    "harbor",
    "inlet",
    "jetty",
    "kelp",
    "lagoon",
    "meadow",
    "north",
]
_NUMBER = re.compile(r"-?\d+")
_OTHER_ERRORS = ("KeyError", "ZeroDivisionError", "RecursionError")


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """What every arm may use: the same for all."""

    steps: int = 8
    batch: int = 1
    learning_rate: float = 1e-4
    rank: int = 16
    max_tokens: int = 512
    budget_s: float = 1800.0
    """No arm begins a step after this much time in training."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineSettings:
    """One comparison, read from a file by `lab.article.settings.read_settings`."""

    suite: Literal["humaneval", "drift"] = "humaneval"
    """Whose tasks: of `drift` the experience half is learned from and the other half measured."""
    model: str = ""
    """Empty: the model of elagent's own settings."""
    engine: Literal["auto", "llama", "torch"] = "auto"
    seed: int = 0
    experience: int = 40
    """Tasks that are attempted and learned from: the first of a random order."""
    held_out: int = 40
    """Tasks that are only measured: the next."""
    samples: int = 4
    """Attempts at each experience task."""
    temperature: float = 0.8
    """Of those attempts, and of the sampled measurement."""
    measured: int = 0
    """Sampled replies to each held-out task, beside the greedy one."""
    max_tokens: int = 512
    arms: tuple[str, ...] = tuple(arm for arm in ARMS if arm not in TRL_ARMS)
    training: Training = field(default_factory=Training)

    def checked_arms(self) -> tuple[Arm, ...]:
        """The arms, the base first.

        Raises:
            ValueError: If one is unknown.
        """
        if unknown := sorted(set(self.arms) - set(ARMS)):
            raise ValueError(f"unknown arms: {', '.join(unknown)}; there are {', '.join(ARMS)}")
        return tuple(arm for arm in ARMS if arm == "base" or arm in self.arms)


def shuffled(task_ids: Sequence[str], seed: int) -> list[str]:
    """The tasks in a random order, the same for the same seed."""
    order = list(task_ids)
    random.Random(f"{seed}:baselines").shuffle(order)  # noqa: S311 - reproducible
    return order


def split(task_ids: Sequence[str], settings: BaselineSettings) -> tuple[list[str], list[str]]:
    """Tasks to learn from and tasks to measure on; no task is in both."""
    order, cut = shuffled(task_ids, settings.seed), settings.experience
    return sorted(order[:cut]), sorted(order[cut : cut + settings.held_out])


def experience_of(attempt: Rollout, messages: Sequence[Message], *, model: str) -> Experience:
    """One attempt as the recorder would have kept it; all of its reply counts as written."""
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
    """What an arm learns from, out of the attempts that all arms have; empty for the base."""
    failed = [each for each in experiences if each.verdict is Verdict.FAIL]
    passed = [each for each in experiences if each.verdict is Verdict.PASS]
    match arm:
        case "base":
            return ()
        case "rft" | "ssd" | "trl-grpo" | "trl-sdpo" | "trl-sdft":
            return _first_tries(_used_by(arm, experiences), weight=1.0)
        case "el":
            fixes, rest = _pairs(failed, passed), _failures(failed, read=False)
            return (*fixes, *rest, *_first_tries(passed, weight=_FIRST_TRY_WEIGHT))
        case "echo":
            return _failures(failed, read=False)
        case "sdpo" | "evidence" | "neutral":
            return _failures(failed, read=True)
        case "shuffled" | "random" | "wrong":
            told = _retold(arm, failed, random.Random(f"{seed}:{arm}"))  # noqa: S311
            return _failures(told, read=True)


def rule_for(arm: Arm) -> LearningRule:
    """The numbers by which an arm learns."""
    match arm:
        case "rft" | "ssd":
            return dataclasses.replace(_ALONE, loss=_SFT)
        case "echo":
            echo = LossRule(evidence=0.0, eta=0.0, echo=1.0, base_anchor=0.0, context_anchor=0.0)
            return dataclasses.replace(_ALONE, loss=echo)
        case "sdpo":
            return PLAIN_SDPO
        case "neutral":
            style = TargetRule(gamma_c=0.0, gamma_s=1.0)
            return dataclasses.replace(_ALONE, target=style, loss=_EVIDENCE)
        case "evidence" | "shuffled" | "random" | "wrong":
            return dataclasses.replace(_ALONE, loss=_EVIDENCE)
        case "el" | "base" | "trl-grpo" | "trl-sdpo" | "trl-sdft":
            return LearningRule()


def _used_by(
    arm: Literal["rft", "ssd", "trl-grpo", "trl-sdpo", "trl-sdft"], steps: Sequence[Experience]
) -> list[Experience]:
    """Whole replies that say something to an arm that learns from such."""
    solved = {each.targets for each in steps if each.verdict is Verdict.PASS}
    missed = {each.targets for each in steps if each.verdict is Verdict.FAIL}
    match arm:
        case "rft":
            return [each for each in steps if each.verdict is Verdict.PASS]
        case "trl-grpo":  # a group of equal rewards has no advantage
            return [each for each in steps if each.targets in solved & missed]
        case "trl-sdft":  # its teacher is shown a pass
            return [each for each in steps if each.targets in solved]
        case "ssd" | "trl-sdpo":
            return list(steps)


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


def _first_tries(steps: Sequence[Experience], *, weight: float) -> tuple[Example, ...]:
    return tuple(Example(kind=ExampleKind.FIRST_TRY, step=each, weight=weight) for each in steps)


def _retold(
    arm: Literal["shuffled", "random", "wrong"], failed: Sequence[Experience], chance: random.Random
) -> list[Experience]:
    """The failures with another account of what the tools said."""
    if arm == "shuffled":
        return [
            dataclasses.replace(each, evidence=other.evidence)
            for each, other in zip(failed, _of_other_tasks(failed, chance), strict=True)
        ]
    change: Callable[[Evidence], Evidence] = (
        (lambda fact: _random(fact, chance)) if arm == "random" else (lambda f: _wrong(f, chance))
    )
    return [
        dataclasses.replace(each, evidence=tuple(map(change, each.evidence))) for each in failed
    ]


def _of_other_tasks(failed: Sequence[Experience], chance: random.Random) -> list[Experience]:
    """For each failure one of another task; itself where there is no other task."""
    return [
        chance.choice([other for other in failed if other.targets != each.targets] or [each])
        for each in failed
    ]


def _random(fact: Evidence, chance: random.Random) -> Evidence:
    count = max(1, len(fact.message.split()))
    return dataclasses.replace(
        fact,
        exception="",
        message=" ".join(chance.choice(_WORDS) for _ in range(count)),
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
