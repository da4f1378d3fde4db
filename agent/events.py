"""Defines everything that a front end can see, as one closed union of frozen values.

Events are facts in the past tense. `to_json` gives their versioned form for `--json` and for the
session file; a new event type is added here, and every `match` over `Event` then fails type checks
until it shows it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import PurePath

from sandbox.verdict.report import TestReport, TestResult

SCHEMA_VERSION = 1
_COUNTED = {"passed": "passed", "failed": "failed", "errors": "error", "skipped": "skipped"}
"""Counts that programs read first; the report has the full ones."""


@dataclass(frozen=True, slots=True)
class StageStarted:
    """Something that may take a while began."""

    text: str


@dataclass(frozen=True, slots=True)
class Progress:
    """The current stage's progress; `eta_s` is None while unknown."""

    done: float
    total: float
    unit: str
    eta_s: float | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """One sentence that the person should read: a limit reached, something skipped and why."""

    text: str
    level: str = "info"
    """`info` or `warning`."""


@dataclass(frozen=True, slots=True)
class OutputChunk:
    """Raw output of a command in the sandbox; untrusted bytes, to be made display-safe."""

    text: str


@dataclass(frozen=True, slots=True)
class TestFinished:
    """One test has an outcome."""

    __test__ = False

    result: TestResult


@dataclass(frozen=True, slots=True)
class TestsFinished:
    """A test run is over."""

    __test__ = False

    report: TestReport
    flaky: Sequence[str] = ()
    """Ids whose outcome differed between two runs of the same code."""


@dataclass(frozen=True, slots=True)
class RequestRead:
    """A message was read as one kind of request, which says whether it may change files."""

    wanted: str
    """A value of `agent.intent.wanted.Wanted`."""
    words: str
    """The kind in words, such as `a question`."""
    by_model: bool = False
    """True if the rules did not know, and the model said it."""


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The model said something."""

    text: str


@dataclass(frozen=True, slots=True)
class ReplyFinished:
    """A whole reply, with what it cost and which adapter made it."""

    text: str
    model: str
    adapter: str | None
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    context_length: int
    duration_s: float


@dataclass(frozen=True, slots=True)
class ReplyUnusable:
    """A reply could not be used; `reason` is what was told to the model, if it is re-asked."""

    reason: str
    attempt: int = 0
    """The number of the reply that is asked for now; 0 if that is not known, or none is."""
    attempts: int = 0
    """Replies that are asked for at most."""


@dataclass(frozen=True, slots=True)
class EditProposed:
    """The model wants to change a file; not applied yet."""

    path: str
    diff: str


@dataclass(frozen=True, slots=True)
class EditApplied:
    """A file was written."""

    path: str
    diff: str


@dataclass(frozen=True, slots=True)
class EditReverted:
    """A file was put back, because the edit helped nothing or broke something."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class AttemptStarted:
    """The fix loop turns to one failing test."""

    test_id: str
    attempt: int
    max_attempts: int


@dataclass(frozen=True, slots=True)
class RankedPlace:
    """One place that may be at fault."""

    path: str
    line: int
    score: float
    """0 to 1."""

    @property
    def label(self) -> str:
        """`path:line (score)`, as it is shown."""
        return f"{self.path}:{self.line} ({self.score:.2f})"


@dataclass(frozen=True, slots=True)
class PlacesRanked:
    """The places that are most likely at fault when a test is red, the likeliest first."""

    places: tuple[RankedPlace, ...]
    test_id: str = ""


@dataclass(frozen=True, slots=True)
class ChangesTried:
    """Small changes were tried on the red tests; numbers count from the start of this search."""

    tried: int
    passing: int
    origin: str
    """The way in which the last ones were found: `template`, `infill`, `function` or `splice`."""
    tokens: int
    """Tokens that the model made for them."""


@dataclass(frozen=True, slots=True)
class OtherChange:
    """A small change that passes, too, and is not kept."""

    path: str
    line: int
    kind: str
    origin: str
    diff: str


@dataclass(frozen=True, slots=True)
class ChangeChosen:
    """A small change passed; it is judged once more before it stays."""

    path: str
    line: int
    kind: str
    origin: str
    others: tuple[OtherChange, ...] = ()
    """Other changes that pass, the next best first."""


@dataclass(frozen=True, slots=True)
class FixFinished:
    """The fix loop ended with the best state in place."""

    passed_before: int
    passed_after: int
    red_before: Sequence[str]
    red_after: Sequence[str]
    diff: str
    reason: str
    """The reason for the end: `all green`, `attempts used up`, `stuck: ...`"""
    overruled: bool = False
    """No test is red, but the test runner itself ended with an error: see `ending` of the run."""
    left_out: Sequence[str] = ()
    """Tests, and files that tests rest on, which were never in the sandbox: not judged."""
    lacking: Sequence[str] = ()
    """Libraries and programs that the image lacks: the tests that use them were not judged."""


@dataclass(frozen=True, slots=True)
class ExperienceRecorded:
    """An experience is on disk."""

    id: str
    verdict: str
    subject: str


@dataclass(frozen=True, slots=True)
class LearnStep:
    """The learner took one optimiser step."""

    step: int
    steps: int
    loss: float
    tokens_per_s: float
    eta_s: float | None = None
    memory_mib: int = 0
    """Main memory that the learner takes; 0 while unknown."""


@dataclass(frozen=True, slots=True)
class LearnFinished:
    """A learning round ended with a decision, whatever it is."""

    adapter: str | None
    decision: str
    """`shadow`, `promoted`, `rejected` or `nothing_to_learn`."""
    reason: str
    experiences: int
    folder: str = ""
    gates: Sequence[str] = ()
    """One line for each gate that was reached: its name, its outcome, the figures."""


class TurnEnding(Enum):
    """A turn's ending, for programs; the reason that goes with it is for people."""

    DONE = "done"
    DECLINED = "declined"
    """The person, or the mode, said no to an edit or a command."""
    STUCK = "stuck"
    """The model went in circles."""
    LIMIT = "limit"
    """The replies, the time or the tokens of one turn are used up."""
    CONTEXT_FULL = "context_full"
    UNUSABLE = "unusable_replies"
    FAILED = "failed"
    """A command failed, a file could not be written, or the sandbox gave no answer."""


@dataclass(frozen=True, slots=True)
class TurnFinished:
    """A turn of the session is over."""

    reason: str
    ending: TurnEnding = TurnEnding.DONE
    exit_code: int | None = None
    """Exit code of a command that was all of the turn, as a shell would give it."""


@dataclass(frozen=True, slots=True)
class ContextCompacted:
    """The history was replaced by a summary, so that there is room again."""

    tokens_before: int
    summary: str
    """The summary that the model is given in place of the conversation."""


Event = (
    StageStarted
    | Progress
    | Notice
    | OutputChunk
    | TestFinished
    | TestsFinished
    | RequestRead
    | TextDelta
    | ReplyFinished
    | ReplyUnusable
    | EditProposed
    | EditApplied
    | EditReverted
    | PlacesRanked
    | ChangesTried
    | ChangeChosen
    | AttemptStarted
    | FixFinished
    | ExperienceRecorded
    | LearnStep
    | LearnFinished
    | TurnFinished
    | ContextCompacted
)


def to_json(event: Event) -> dict[str, object]:
    """The event as JSON data: `v`, `event` (snake case), then its fields."""
    fields = {field.name: _plain(getattr(event, field.name)) for field in dataclasses.fields(event)}
    if isinstance(event, TestsFinished):
        counts = event.report.counts
        fields |= {"counts": dict(counts), "all_green": event.report.all_green}
        fields |= {told: counts[name] for told, name in _COUNTED.items()}
    return {"v": SCHEMA_VERSION, "event": name_of(type(event)), **fields}


def name_of(kind: type) -> str:
    """The name of a kind of event in JSON, in snake case."""
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in kind.__name__).lstrip("_")


def _plain(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, frozenset, set)):
        return [_plain(item) for item in value]
    if isinstance(value, PurePath):
        return str(value)
    return value
