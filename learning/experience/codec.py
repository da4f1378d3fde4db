"""Experiences as JSON, the form used by the export, by training jobs and by the store's body."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import cast

from learning.errors import LearningError
from learning.records import (
    Action,
    Evidence,
    EvidenceKind,
    Experience,
    Message,
    Origin,
    Sampling,
    Tier,
    Trust,
    Verdict,
)

FORMAT_VERSION = 1


class ExperienceError(LearningError):
    """An experience cannot be kept or read; the message says what to do."""


class ExperienceFormatError(ExperienceError):
    """The data is not an experience of a version that this program knows."""


def encode(experience: Experience) -> str:
    """One line of JSON, with every field and the format's version."""
    fields = {"v": FORMAT_VERSION, **dataclasses.asdict(experience)}
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))


def decode(line: str) -> Experience:
    """The experience that `encode` wrote.

    Raises:
        ExperienceFormatError: If the line is not JSON, of another version, or lacks a field.
    """
    try:
        return _experience(json.loads(line))
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as err:
        raise ExperienceFormatError(f"this is not an experience that can be read: {err!r}") from err


def _experience(data: Mapping[str, object]) -> Experience:
    if data["v"] != FORMAT_VERSION:
        raise ExperienceFormatError(
            f"experience format {data['v']!r} is not known (known: {FORMAT_VERSION})"
        )
    fields = {key: value for key, value in data.items() if key != "v"}
    fields["messages"] = tuple(_message(item) for item in _items(data["messages"]))
    fields["action"] = _action(_mapping(data["action"]))
    fields["verdict"] = Verdict(str(data["verdict"]))
    fields["evidence"] = tuple(_evidence(item) for item in _items(data["evidence"]))
    fields["targets"] = tuple(str(item) for item in _list(data["targets"]))
    # older lines have no trust: their verdicts count as plain
    fields["trust"] = Trust(str(data.get("trust", Trust.PLAIN)))
    fields["origin"] = Origin(str(data.get("origin", Origin.FIX)))
    fields["observation_tier"] = Tier(str(data.get("observation_tier", Tier.OUTPUT)))
    for name in ("red_before", "green_after"):
        fields[name] = tuple(str(item) for item in _list(data.get(name, [])))
    return Experience(**fields)  # type: ignore[arg-type]  # checked field by field above


def _action(data: Mapping[str, object]) -> Action:
    fields = dict(data)
    fields["prompt_ids"] = _ids(data["prompt_ids"])
    fields["token_ids"] = _ids(data["token_ids"])
    logprobs = data["logprobs"]
    fields["logprobs"] = None if logprobs is None else tuple(map(float, _numbers(logprobs)))
    fields["sampling"] = Sampling(**_mapping(data["sampling"]))  # type: ignore[arg-type]
    return Action(**fields)  # type: ignore[arg-type]


def _message(data: Mapping[str, object]) -> Message:
    role = data["role"]
    if role not in ("system", "user", "assistant"):
        raise ValueError(f"unknown role {role!r}")
    return Message(role=role, content=str(data["content"]))


def _evidence(data: Mapping[str, object]) -> Evidence:
    fields = {**data, "kind": EvidenceKind(str(data["kind"])), "tier": Tier(str(data["tier"]))}
    return Evidence(**fields)  # type: ignore[arg-type]


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise TypeError(f"a list was expected, not {type(value).__name__}")
    return value


def _items(value: object) -> list[Mapping[str, object]]:
    return [_mapping(item) for item in _list(value)]


def _mapping(value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise TypeError(f"an object was expected, not {type(value).__name__}")
    return value


def _numbers(value: object) -> list[float]:
    numbers = _list(value)
    if not all(isinstance(item, int | float) for item in numbers):
        raise TypeError("a list of numbers was expected")
    return cast("list[float]", numbers)


def _ids(value: object) -> tuple[int, ...]:
    return tuple(int(item) for item in _numbers(value))
