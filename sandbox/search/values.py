"""The values of a search: changes to try, and what their tests said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeTrial:
    """One file with other contents."""

    path: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialResult:
    """The end of one trial."""

    solves_red: bool = False
    """True if every red test that was tried passed."""
    breaks_none: bool = False
    """True if, after that, no test failed that was not red before."""
    message: str = ""
    """First lines of the failure; empty where there was none."""
    late: bool = False
    left: int = 0
    """Number of the tests named beside the red ones that did not pass after it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineCounts:
    """Numbers of red and of green tests that ran a line."""

    red: int
    green: int
    by: frozenset[str] = frozenset()
    """Ids of the red tests, as far as they are told: of the first sixty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsualRun:
    """Durations of the unchanged project's tests, and the libraries that they import."""

    red_s: float
    all_s: float
    modules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Searched:
    """All that one box said."""

    red: int = 0
    """Red tests whose lines are known."""
    green: int = 0
    lines: Mapping[tuple[str, int], LineCounts] = field(
        default_factory=lambda: MappingProxyType({})
    )
    """Counts by (path, line); only lines that a red test ran."""
    results: Mapping[int, TrialResult] = field(default_factory=lambda: MappingProxyType({}))
    """Results by the number of the trial; those that were not reached are missing."""
    usual: UsualRun | None = None
    """The run of the unchanged project, for other boxes; None if noting lines made it slower, or cut it short."""
    unsearchable: str = ""
    """The reason why there is no answer at all; empty if there is one."""
