"""An experience as the columns of a row, the same in every store: the JSON body beside exact arrays."""

from __future__ import annotations

import dataclasses
import hashlib
from array import array
from dataclasses import dataclass

from learning.experience.codec import decode, encode
from learning.records import Experience


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperienceRow:
    """The columns of one stored experience, in the order of the table."""

    id: str
    session: str
    created_at: float
    model: str
    verdict: str
    fixes: str
    trust: str
    body: str
    """The experience as JSON, without the arrays."""
    prompt_ids: bytes
    token_ids: bytes
    logprobs: bytes | None

    @property
    def digest(self) -> str:
        """SHA-256 of all that the row holds."""
        sums = hashlib.sha256(self.body.encode())
        for part in (self.prompt_ids, self.token_ids, self.logprobs or b""):
            sums.update(len(part).to_bytes(8, "big"))
            sums.update(part)
        return sums.hexdigest()

    @property
    def size_bytes(self) -> int:
        """Bytes of the body and the arrays."""
        arrays = len(self.prompt_ids) + len(self.token_ids) + len(self.logprobs or b"")
        return len(self.body.encode()) + arrays


COLUMNS = tuple(field.name for field in dataclasses.fields(ExperienceRow))


def to_row(experience: Experience) -> ExperienceRow:
    """The row of an experience; nothing is redacted here."""
    action = experience.action
    bare = dataclasses.replace(action, prompt_ids=(), token_ids=(), logprobs=None)
    return ExperienceRow(
        id=experience.id,
        session=experience.session,
        created_at=experience.created_at,
        model=experience.model,
        verdict=experience.verdict.value,
        fixes=experience.fixes,
        trust=experience.trust.value,
        body=encode(dataclasses.replace(experience, action=bare)),
        prompt_ids=_pack(action.prompt_ids),
        token_ids=_pack(action.token_ids),
        logprobs=None if action.logprobs is None else array("d", action.logprobs).tobytes(),
    )


def from_columns(
    body: str, prompt_ids: bytes, token_ids: bytes, logprobs: bytes | None
) -> Experience:
    """The experience of a row.

    Raises:
        ExperienceFormatError: If the body is not an experience that this program knows.
        TypeError, ValueError, AttributeError, OverflowError: If a column is damaged.
    """
    bare = decode(body)
    action = dataclasses.replace(
        bare.action,
        prompt_ids=_unpack(prompt_ids),
        token_ids=_unpack(token_ids),
        logprobs=None if logprobs is None else tuple(array("d", logprobs)),
    )
    return dataclasses.replace(bare, action=action)


def _pack(ids: tuple[int, ...]) -> bytes:
    return array("I", ids).tobytes()


def _unpack(data: bytes) -> tuple[int, ...]:
    return tuple(array("I", data))
