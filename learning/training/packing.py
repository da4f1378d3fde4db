"""Several rows read as one: each token attends to its own row alone, so nothing else changes.

Matrix products of a few hundred tokens use a processor badly. Here the linear layers see all rows of a
pack at once, while attention is computed row by row: no padding, no mask, and the results of a row are
those that it has alone, up to the rounding of larger matrix products.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from learning.training.causal_model import CausalModel

_ATTENTION = "elagent_packed"
_CHOSEN = (
    "_attn_implementation"  # of a configuration; transformers has no public name for reading it
)


def packs(lengths: Sequence[int], limit: int) -> list[list[int]]:
    """Indices of the rows of each pack of at most `limit` tokens; a longer row is a pack of its own.

    Rows go, longest first, into the first pack with room; the order depends on the lengths alone.
    """
    filled: list[list[int]] = []
    room: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda index: (-lengths[index], index)):
        fitting = next((i for i, left in enumerate(room) if lengths[index] <= left), None)
        if fitting is None:
            filled.append([index])
            room.append(limit - lengths[index])
        else:
            filled[fitting].append(index)
            room[fitting] -= lengths[index]
    return filled


@contextlib.contextmanager
def packed_attention(base: CausalModel) -> Iterator[None]:
    """Let `read` give the model several rows in one pass, if its attention is the plain one."""
    from transformers import AttentionInterface

    config = base.config
    usual = getattr(config, _CHOSEN)
    if usual == "sdpa" and not getattr(config, "sliding_window", None):
        AttentionInterface.register(_ATTENTION, _row_by_row)
        setattr(config, _CHOSEN, _ATTENTION)
    try:
        yield
    finally:
        setattr(config, _CHOSEN, usual)


def read(base: CausalModel, rows: Sequence[Sequence[int]]) -> Tensor:
    """Last hidden states (t, d) of all rows, one behind the other."""
    if getattr(base.config, _CHOSEN) == _ATTENTION:
        return _read(base, rows)
    return torch.cat([_read(base, [row]) for row in rows])


def _read(base: CausalModel, rows: Sequence[Sequence[int]]) -> Tensor:
    ids = [id_ for row in rows for id_ in row]
    places = [place for row in rows for place in range(len(row))]
    hidden_1td: Tensor = base.get_decoder()(
        input_ids=torch.tensor([ids], device=base.device),
        position_ids=torch.tensor([places], device=base.device),
        use_cache=False,
        **_borders(base, rows),
    ).last_hidden_state
    return hidden_1td[0]


def _borders(base: CausalModel, rows: Sequence[Sequence[int]]) -> dict[str, Tensor]:
    """Index of each row's first token in the pack, then the number of tokens, as transformers names it."""
    if getattr(base.config, _CHOSEN) != _ATTENTION:
        return {}
    return {"cu_seq_lens_q": torch.tensor([0, *itertools.accumulate(map(len, rows))])}


def _row_by_row(
    module: torch.nn.Module,
    query_bhtd: Tensor,
    key_bhtd: Tensor,
    value_bhtd: Tensor,
    _mask: Tensor | None,
    *,
    cu_seq_lens_q: Tensor,
    **settings: Any,  # noqa: ANN401 - handed on as it came
) -> tuple[Tensor, None]:
    """Causal attention within each row; the output is (1, t, heads, width of a head)."""
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    lengths = cu_seq_lens_q.diff().tolist()
    rows = (torch.split(part, lengths, dim=2) for part in (query_bhtd, key_bhtd, value_bhtd))
    parts = [
        sdpa_attention_forward(module, query, key, value, None, **settings)[0]
        for query, key, value in zip(*rows, strict=True)
    ]
    return (parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)), None
