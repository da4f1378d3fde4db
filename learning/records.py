"""The shared vocabulary of learning: messages, actions, evidence, experiences.

Frozen values without behaviour. Their JSON form is in
`learning.experience.codec`. Nothing here imports torch.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, Self

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One turn of a conversation."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """Settings for drawing tokens. `temperature` 0 is greedy."""

    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    max_tokens: int = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """The model's reply, token by token if the engine reports tokens.

    Invariant: `logprobs` is None or as long as `token_ids`. Both id tuples are empty when the
    server gives text only; such an action can be shown but never trained on token-exactly.
    """

    text: str
    model: str
    """Name of the base model that was served."""
    adapter: str | None
    """Name of the adapter that made it, stamped when the request was dispatched."""
    prompt_ids: tuple[int, ...] = ()
    token_ids: tuple[int, ...] = ()
    logprobs: tuple[float, ...] | None = None
    """Natural log-probabilities of `token_ids` under the distribution that was sampled."""
    sampling: Sampling = Sampling()
    finish: Literal["stop", "length", "cancelled"] = "stop"


class Tier(StrEnum):
    """Source of evidence; the lower the tier, the more it may change the weights."""

    HARNESS = "T0"
    """Verdicts of our harness and parsed compiler or test records."""
    USER = "T1"
    """Explicit corrections by the user."""
    OUTPUT = "T2"
    """Free output of the user's code: parsed fields only, redacted."""
    FOREIGN = "T3"
    """README, web, dependencies: never learned from."""


class Verdict(StrEnum):
    """The harness's verdict on the state after an action."""

    PASS = "pass"  # noqa: S105 - not a password
    FAIL = "fail"
    UNKNOWN = "unknown"


class Trust(StrEnum):
    """Difficulty of forging a verdict, in the sandbox's terms."""

    JUDGE = "judge"
    HARDENED = "hardened"
    PINNED = "pinned"
    PLAIN = "plain"
    """The code under test could have forged it: a pass at this level is never learned from."""

    @property
    def may_train(self) -> bool:
        """True if a pass at this level may be learned from."""
        return self is not Trust.PLAIN


class Origin(StrEnum):
    """The author of an action and the kind of work it belongs to."""

    FIX = "fix"
    """The model's, in the repair of failing tests."""
    TEMPLATE = "template"
    """An edit of the syntax tree that repaired failing tests, found without the model."""
    INFILL = "infill"
    """A line that the model filled in and that repaired failing tests."""
    SPLICE = "splice"
    """The model's reply, cut before a name that does not exist and continued behind one that does."""
    FUNCTION = "function"
    """One function that the model wrote anew and that repaired failing tests."""
    TURN = "turn"
    """The model's, in a conversation."""
    USER = "user"
    """The user's own edit of a file that the model had written."""


_SEARCHED = frozenset({Origin.TEMPLATE, Origin.INFILL, Origin.SPLICE, Origin.FUNCTION})


class EvidenceKind(StrEnum):
    """The parsers that can produce evidence."""

    TEST_FAILURE = "test_failure"
    TRACEBACK = "traceback"
    DIAGNOSTIC = "diagnostic"
    IO_PAIR = "io_pair"
    USER_CORRECTION = "user_correction"
    ENVIRONMENT = "environment"
    """An answer of an installed library or tool about itself, asked for after a failure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One structured fact that a tool reported. Only parsed fields, never raw output."""

    kind: EvidenceKind
    tier: Tier
    subject: str
    """The test id, file or call that the fact is about."""
    exception: str = ""
    message: str = ""
    file: str = ""
    line: int = 0
    function: str = ""
    expected: str = ""
    got: str = ""

    @property
    def signature(self) -> str:
        """Key for deduplication: exception and place, without values or line numbers."""
        return f"{self.kind}:{self.exception}:{self.file}:{self.function}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Experience:
    """One action with its prompt and the tools' response to it.

    `messages` is the exact history up to the action (`h` in the literature), `action` is `y`,
    `evidence` is `o` after parsing. `verdict` routes the experience and is never a reward.
    """

    id: str
    session: str
    created_at: float
    """Seconds since the epoch."""
    repository: str
    model: str
    messages: tuple[Message, ...]
    action: Action
    verdict: Verdict
    evidence: tuple[Evidence, ...] = ()
    """Facts that the tools reported after the action; empty after a pass."""
    targets: tuple[str, ...] = ()
    """Test ids that the action tried to turn green."""
    path: str = ""
    """The file that the action rewrote, if it rewrote one."""
    before: str = ""
    """Content of that file before the action."""
    after: str = ""
    """Content of that file after the action."""
    fixes: str = ""
    """Id of the earlier failing experience of the same target that this one made pass."""
    trust: Trust = Trust.PLAIN
    """Difficulty of forging `verdict`; plain in experiences from before it was stored."""
    origin: Origin = Origin.FIX
    observation: str = ""
    """Text about the outcome of the action, as the agent saw it."""
    observation_tier: Tier = Tier.OUTPUT
    """Source of `observation`: `FOREIGN` text is never learned from."""
    red_before: tuple[str, ...] = ()
    """Tests that were known to be red before the action."""
    green_after: tuple[str, ...] = ()
    """Tests of `red_before` that were green in the next run."""

    @classmethod
    def draft(cls, messages: Iterable[Message], action: Action, verdict: Verdict) -> Self:
        """An experience without id, session, time and repository: a recorder adds these."""
        return cls(
            id="",
            session="",
            created_at=0.0,
            repository="",
            model=action.model,
            messages=tuple(messages),
            action=action,
            verdict=verdict,
        )

    @property
    def was_searched(self) -> bool:
        """True for a change that a search found: its reply was put together and has no token ids."""
        return self.origin in _SEARCHED
