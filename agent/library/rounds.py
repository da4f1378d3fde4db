"""Learning rounds as the gates judged them, read from the manifests of the adapters that are there.

Whatever a manifest holds is rendered: one without a decision, or with a damaged one, is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from learning.promotion.manifest import AdapterManifest

_VERSION = re.compile(r"-v0*(\d+)-")
_KINDS = {"shadow": "saved, not in use"}
_MARKS = {"passed": "passed", "failed": "NOT PASSED", "open": "still open"}
REPOSITORY = "tasks of this repository"
GENERAL = "general tasks"


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """One gate's outcome, with its figures if it measured something."""

    name: str
    outcome: str
    words: str
    wins: int = 0
    losses: int = 0
    tasks: int = 0

    @property
    def line(self) -> str:
        """One line that begins with the outcome in words, so that nothing depends on colours."""
        return f"{_MARKS.get(self.outcome, self.outcome)}: {self.name} ({self.words})"


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedRound:
    """One adapter and the outcome of its trial."""

    adapter: str
    kind: str
    reason: str
    gates: tuple[GateResult, ...] = ()

    @property
    def version(self) -> str:
        """The adapter's short name, such as `v7`."""
        return version_of(self.adapter)

    @property
    def repository(self) -> GateResult | None:
        """The gate of the repository's own tasks; None if none were run."""
        return self._measured(REPOSITORY)

    @property
    def words(self) -> str:
        """The verdict: `v7 promoted: 9 wins, 2 losses on your repository, regression suite 60/60`."""
        figures = []
        if (gate := self.repository) is not None:
            figures.append(f"{gate.wins} wins, {gate.losses} losses on your repository")
        if (gate := self._measured(GENERAL)) is not None:
            figures.append(f"regression suite {gate.tasks - gate.losses}/{gate.tasks}")
        head = f"{self.version} {_KINDS.get(self.kind, self.kind)}"
        return f"{head}: {', '.join(figures) or self.reason.removeprefix('kept in shadow: ')}"

    def _measured(self, name: str) -> GateResult | None:
        return next((gate for gate in self.gates if gate.name == name and gate.tasks), None)


def version_of(adapter: str) -> str:
    """`v7` of `el-warehouse-v0007-3f9c21aa`; a name of another form stays as it is."""
    found = _VERSION.search(adapter)
    return f"v{found[1]}" if found else adapter


def rounds_of(manifests: Iterable[AdapterManifest]) -> tuple[JudgedRound, ...]:
    """The rounds that came to a decision, oldest first."""
    rows = sorted(manifests, key=lambda row: row.created_at)
    found = (round_of(row.name, row.decision) for row in rows)
    return tuple(each for each in found if each is not None)


def round_of(adapter: str, decision: Mapping[str, Any]) -> JudgedRound | None:
    """The round whose decision stands in a manifest; None where there is none that can be read."""
    try:
        gates = tuple(_gate(**gate) for gate in decision["gates"])
        return JudgedRound(
            adapter=adapter, kind=str(decision["kind"]), reason=str(decision["reason"]), gates=gates
        )
    except (KeyError, TypeError):
        return None


def _gate(*, name: str, outcome: str, words: str, **figures: object) -> GateResult:
    wins, losses, tasks = (
        value if isinstance(value := figures.get(key), int) else 0
        for key in ("wins", "losses", "tasks")
    )
    return GateResult(
        name=name, outcome=outcome, words=words, wins=wins, losses=losses, tasks=tasks
    )
