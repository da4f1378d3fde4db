"""Chooses a token from logits as a request's sampling says, with the model's own log-probability."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import numpy as np

from learning.model.engine import Token
from learning.records import Sampling

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MARGIN = 1.0
"""Difference of two logits that rounding in a batch does not turn around (it moved them by up to 0.8)."""


def pick(logits: NDArray[np.float32], sampling: Sampling, chance: random.Random) -> Token:
    """One token of logits over the vocabulary: the likeliest, or drawn by temperature, then top-p.

    Draws once from `chance` for every token that is not greedy, so that a seed means the same however
    tokens are batched. The log-probability is at temperature 1, without top-p.
    """
    if sampling.temperature <= 0:
        return _token(logits, int(logits.argmax()))
    scaled = (logits - logits.max()).astype(np.float64) / sampling.temperature
    weights = np.exp(scaled)
    order = np.argsort(-weights, kind="stable")
    sums = np.cumsum(weights[order])
    kept = int(np.searchsorted(sums, sampling.top_p * sums[-1])) + 1
    kept = min(kept, len(order))
    drawn = int(np.searchsorted(sums[:kept], chance.random() * sums[kept - 1], side="right"))
    return _token(logits, int(order[min(drawn, kept - 1)]))


def likeliest(logits: NDArray[np.float32], count: int) -> list[Token]:
    """The `count` likeliest tokens, best first."""
    count = min(count, len(logits))
    best = np.argpartition(-logits, count - 1)[:count]
    ordered = best[np.argsort(-logits[best], kind="stable")]
    total = _log_sum(logits)
    return [Token(id=int(one), logprob=float(logits[one]) - total) for one in ordered]


def certain(logits: NDArray[np.float32]) -> bool:
    """True if the likeliest token is so by more than rounding."""
    best = int(logits.argmax())
    others = [part.max() for part in (logits[:best], logits[best + 1 :]) if len(part)]
    return bool(logits[best] - max(others) > _MARGIN)


def _token(logits: NDArray[np.float32], token: int) -> Token:
    return Token(id=token, logprob=float(logits[token]) - _log_sum(logits))


def _log_sum(logits: NDArray[np.float32]) -> float:
    most = float(logits.max())
    return most + float(np.log(np.exp(logits - most).sum()))
