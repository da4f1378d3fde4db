"""The arithmetic of evidence: exact, without distributional assumptions, standard library only."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Paired:
    """Two adapters on the same tasks, from the candidate's side."""

    wins: int
    losses: int
    ties: int = 0

    @property
    def tasks(self) -> int:
        return self.wins + self.losses + self.ties


def sign_test(paired: Paired) -> float:
    """One-sided p: how often an equally good candidate would win at least this often.

    Ties say nothing and are left out; without any win or loss p is 1.
    """
    decided = paired.wins + paired.losses
    favourable = sum(math.comb(decided, wins) for wins in range(paired.wins, decided + 1))
    return favourable / (1 << decided)
