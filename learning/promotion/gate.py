"""Decides from the figures of a trial if a new adapter may be used.

The gates have a fixed order; the first that is not passed decides. Nothing is promoted on too little
evidence: an adapter that cannot be judged yet stays in shadow, and the decision says what is missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from learning.errors import LearningError
from learning.evaluation.statistics import TaskScores, paired_bootstrap, sign_test

MIN_HELD_OUT = 30
"""Fewest held-out tasks for a decision: with fewer, a difference may be luck."""
MIN_CONFIRMING = 10
"""Fewest tasks, unused by any decision, that must confirm a winner."""
REGRESSION_TASKS = 60
MAX_REGRESSION_LOSSES = 2
ALPHA = 0.05
REPOSITORY_TASKS = "tasks of this repository"
_GENERAL_TASKS = "general tasks"

Outcome = Literal["passed", "failed", "open"]
Kind = Literal["shadow", "promoted", "rejected"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """Outcome of one gate; its figures are 0 if it measured nothing."""

    name: str
    outcome: Outcome
    words: str
    wins: int = 0
    losses: int = 0
    tasks: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class GateDecision:
    """Fate of an adapter, with the reason in words for the person."""

    kind: Kind
    reason: str
    gates: tuple[Gate, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """Greedy scores of a candidate (b) and the incumbent (a) on the same tasks."""

    held_out: TaskScores
    """Tasks of what the candidate claims to do better, which it did not learn from."""
    tried_on: str = REPOSITORY_TASKS
    """These tasks in words."""
    kept: TaskScores | None = None
    """Tasks of what the incumbent claims, where the candidate claims something else; None if it does not."""
    kept_on: str = ""
    """These tasks in words."""
    regression: TaskScores | None = None
    """The regression suite: tasks from outside the repository; None if it was not run."""
    confirming: TaskScores | None = None
    """Tasks that no decision has used yet; None if they were not run."""
    fresh: int = 0
    """Number of tasks that no decision has used yet."""
    probes: tuple[Gate, ...] = ()
    """Gates of the poison probes, see `learning.promotion.poison`."""


NO_TRIAL = Trial(held_out=TaskScores(tasks=(), a=(), b=()))


def decide(trial: Trial, *, alpha: float = ALPHA) -> GateDecision:
    """Promote only if an equally good adapter would rarely win so often by chance."""
    gates: list[Gate] = []
    for gate in (
        *trial.probes,
        _held_out(trial, alpha),
        *_kept(trial),
        _regression(trial),
        _confirm(trial, alpha),
    ):
        gates.append(gate)
        if gate.outcome == "failed":
            return GateDecision(kind="rejected", reason=gate.words, gates=tuple(gates))
        if gate.outcome == "open":
            reason = f"kept in shadow: {gate.words}"
            return GateDecision(kind="shadow", reason=reason, gates=tuple(gates))
    figures = _outcome(trial.held_out, alpha)
    return GateDecision(
        kind="promoted", reason=f"better than the incumbent: {figures}", gates=tuple(gates)
    )


def forgets(decision: GateDecision) -> bool:
    """True for an adapter that is better at what it claims and was rejected for its losses on general tasks."""
    return decision.kind == "rejected" and decision.gates[-1].name == _GENERAL_TASKS


def lacking(held_out: int) -> str:
    """A note that a decision needs more held-out tasks; "" if there are enough."""
    if held_out >= MIN_HELD_OUT:
        return ""
    return f"not enough held-out evidence ({held_out} of {MIN_HELD_OUT})"


def _held_out(trial: Trial, alpha: float) -> Gate:
    name, scores = trial.tried_on, trial.held_out
    if missing := lacking(len(scores.tasks)):
        return Gate(name=name, outcome="open", words=missing)
    figures = _outcome(scores, alpha)
    if sign_test(scores.wins, scores.losses) <= alpha:
        return _measured(name, "passed", figures, scores)
    words = f"not shown to be better than the incumbent: {figures}"
    return _measured(name, "failed", words, scores)


def _kept(trial: Trial) -> Iterator[Gate]:
    """The gate on what the system in use is for, where the candidate is for something else."""
    if trial.kept is None:
        return
    name, scores = f"what is in use: {trial.kept_on}", trial.kept
    lost, tried = scores.losses - scores.wins, len(scores.tasks)
    words = (
        f"{scores.losses} losses and {scores.wins} wins on {tried} {trial.kept_on}, at most"
        f" {MAX_REGRESSION_LOSSES} more losses than wins are allowed"
    )
    if lost > MAX_REGRESSION_LOSSES:
        words = f"it loses what the incumbent is in use for: {words}"
        yield _measured(name, "failed", words, scores)
    elif tried < MIN_CONFIRMING:
        words = (
            f"the incumbent is in use for {trial.kept_on}, of which {tried} of {MIN_CONFIRMING} are"
            " there to be tried"
        )
        yield Gate(name=name, outcome="open", words=words)
    else:
        yield _measured(name, "passed", words, scores)


def _regression(trial: Trial) -> Gate:
    name = _GENERAL_TASKS
    scores = trial.regression or NO_TRIAL.held_out
    losses, run = scores.losses, len(scores.tasks)
    words = f"{losses} losses on {run} general tasks, at most {MAX_REGRESSION_LOSSES} are allowed"
    if losses > MAX_REGRESSION_LOSSES:
        return _measured(name, "failed", f"it forgets: {words}", scores)
    if run < REGRESSION_TASKS:
        words = f"{run} of {REGRESSION_TASKS} general tasks were run"
        return Gate(name=name, outcome="open", words=words)
    return _measured(name, "passed", words, scores)


def _confirm(trial: Trial, alpha: float) -> Gate:
    name = "tasks never used before"
    scores = trial.confirming
    if scores is None or len(scores.tasks) < MIN_CONFIRMING:
        there = len(scores.tasks) if scores else trial.fresh
        words = (
            f"better so far, but {there} of {MIN_CONFIRMING} fresh tasks are there to confirm it"
        )
        return Gate(name=name, outcome="open", words=words)
    figures = _outcome(scores, alpha)
    if sign_test(scores.wins, scores.losses) <= alpha:
        return _measured(name, "passed", figures, scores)
    words = f"the gain did not hold on fresh tasks: {figures}"
    return _measured(name, "failed", words, scores)


def _measured(name: str, outcome: Outcome, words: str, scores: TaskScores) -> Gate:
    return Gate(
        name=name,
        outcome=outcome,
        words=words,
        wins=scores.wins,
        losses=scores.losses,
        tasks=len(scores.tasks),
    )


def _outcome(scores: TaskScores, alpha: float) -> str:
    p = sign_test(scores.wins, scores.losses)
    spread = paired_bootstrap(scores, confidence=1 - 2 * alpha)
    low, high = 100 * spread.interval.low, 100 * spread.interval.high
    return (
        f"{scores.wins} wins, {scores.losses} losses on {len(scores.tasks)} tasks, p = {p:.3f},"
        f" {100 * spread.mean:+.0f} points ({low:+.0f} to {high:+.0f})"
    )


def as_record(decision: GateDecision, *, incumbent: str | None, at: float) -> Mapping[str, object]:
    """The decision as a record for the adapter's manifest, with the incumbent and the time."""
    return {**asdict(decision), "incumbent": incumbent, "at": at}


def from_record(record: Mapping[str, Any]) -> GateDecision:
    """Read the decision from a manifest; without a record, that of an adapter without a trial.

    Raises:
        LearningError: If it is damaged.
    """
    if not record:
        return decide(NO_TRIAL)
    try:
        gates = tuple(Gate(**gate) for gate in record["gates"])
        return GateDecision(kind=record["kind"], reason=record["reason"], gates=gates)
    except (KeyError, TypeError) as err:
        raise LearningError(f"the decision in a manifest is damaged ({err!r})") from err


def in_words(decision: GateDecision) -> Sequence[str]:
    """The decision as lines of text, one per gate that was reached."""
    marks = {"passed": "passed", "failed": "not passed", "open": "open"}
    lines = [f"{gate.name}: {marks[gate.outcome]} ({gate.words})" for gate in decision.gates]
    return [*lines, f"{decision.kind}: {decision.reason}"]
