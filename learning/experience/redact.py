"""Takes secrets out of text and experiences before anything reaches the disk.

Precision over recall where code is concerned: a secret has a known shape, or it is a literal that
is assigned to a name which says so. It is a net under the user's own care, not a proof.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections import Counter
from typing import Any

from learning.records import Action, Evidence, Experience, Message

MARK = "[redacted]"

_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----.*?"
    r"(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----|\Z)",  # always matches: each character once
    re.DOTALL,
)
_SHAPES = re.compile(
    r"\b(?:sk-(?:ant-|proj-)?[A-Za-z0-9_-]{20,200}"  # model providers
    r"|gh[pousr]_[A-Za-z0-9]{20,255}|github_pat_[A-Za-z0-9_]{20,255}"
    r"|glpat-[A-Za-z0-9_-]{16,100}|hf_[A-Za-z0-9]{20,100}|pypi-[A-Za-z0-9_-]{40,400}"
    r"|npm_[A-Za-z0-9]{30,60}|xox[abprs]-[A-Za-z0-9-]{10,200}"
    r"|(?:AKIA|ASIA)[A-Z0-9]{16}|AIza[A-Za-z0-9_-]{35}"
    r"|[sr]k_(?:live|test)_[A-Za-z0-9]{16,200}"
    r"|eyJ[A-Za-z0-9_-]{8,4000}\.eyJ[A-Za-z0-9_-]{4,4000}\.[A-Za-z0-9_-]{4,1000})"
)
_URL_CREDENTIALS = re.compile(r"(?<=://)([^\s/@:'\"<>]{0,200}):([^\s/@'\"<>]{1,200})@")
_BEARER = re.compile(
    r"(?i)\b(authorization\s{0,4}:\s{0,4}(?:bearer|basic|token)\s{1,4})[^\s'\"]{4,4000}"
)
_PHRASE = r"(?:pass(?:word|wd|phrase)|secret)"
_KEY = r"(?:api_?key|access_?key|private_?key|secret_?key|token|credentials?)"
# NAME = "literal": the literal goes; NAME = expression stays, or no code could be learned from.
_ASSIGNED = r"[\"']?\s{0,8}[:=]\s{0,8}"
_QUOTED = (
    re.compile(rf"(?i)(\b[\w.-]{{0,60}}{_PHRASE}{_ASSIGNED})([\"'])([^\"'\n]{{4,4000}})\2"),
    re.compile(rf"(?i)(\b[\w.-]{{0,60}}{_KEY}{_ASSIGNED})([\"'])([^\"'\s]{{8,4000}})\2"),
)
_ENVIRONMENT = re.compile(
    r"(?m)^([ \t]*(?:export[ \t]+)?([A-Z][A-Z0-9_]{1,60})=)([^\s'\"#]{6,4000})"
)
_ENTROPY_BITS_PER_CHARACTER = 3.5
_ENTROPY_MIN_LENGTH = 20


def redact(text: str, *, home: str = "") -> str:
    """The text without secrets; with `home`, that folder's path becomes `~`.

    Never raises; redacting twice changes nothing more.
    """
    text = _PRIVATE_KEY.sub(MARK, text)
    text = _SHAPES.sub(MARK, text)
    text = _URL_CREDENTIALS.sub(rf"{MARK}@", text)
    text = _BEARER.sub(rf"\g<1>{MARK}", text)
    for assignment in _QUOTED:
        text = assignment.sub(rf"\g<1>\g<2>{MARK}\g<2>", text)
    text = _ENVIRONMENT.sub(_environment_value, text)
    return text.replace(home, "~") if len(home) > 1 else text


def redact_experience(experience: Experience, *, home: str = "") -> Experience:
    """The experience without secrets.

    Invariant: token ids spell the text out, so an experience in which something was redacted
    keeps no token ids and no log-probabilities. It can be shown, and is never trained on.
    """

    def clean(text: str) -> str:
        return redact(text, home=home)

    messages = tuple(Message(role=m.role, content=clean(m.content)) for m in experience.messages)
    action = dataclasses.replace(experience.action, text=clean(experience.action.text))
    if messages != experience.messages or action != experience.action:
        action = _without_tokens(action)
    return dataclasses.replace(
        experience,
        messages=messages,
        action=action,
        evidence=tuple(_clean_evidence(item, home) for item in experience.evidence),
        targets=tuple(map(clean, experience.targets)),
        before=clean(experience.before),
        after=clean(experience.after),
        observation=clean(experience.observation),
        red_before=tuple(map(clean, experience.red_before)),
        green_after=tuple(map(clean, experience.green_after)),
    )


def _without_tokens(action: Action) -> Action:
    return dataclasses.replace(action, prompt_ids=(), token_ids=(), logprobs=None)


def _clean_evidence(evidence: Evidence, home: str) -> Evidence:
    return dataclasses.replace(
        evidence,
        subject=redact(evidence.subject, home=home),
        message=redact(evidence.message, home=home),
        file=redact(evidence.file, home=home),
        expected=redact(evidence.expected, home=home),
        got=redact(evidence.got, home=home),
    )


def _environment_value(match: re.Match[str]) -> str:
    assignment, name, value = match.groups()
    named = re.search(f"{_PHRASE}|{_KEY}", name, re.IGNORECASE) is not None
    return f"{assignment}{MARK}" if named or _is_random(value) else match.group()


def _is_random(value: str) -> bool:
    if len(value) < _ENTROPY_MIN_LENGTH or not re.fullmatch(r"[A-Za-z0-9+/=_-]+", value):
        return False
    counts = Counter(value)
    bits = -sum(n / len(value) * math.log2(n / len(value)) for n in counts.values())
    kinds = sum(any(test(c) for c in value) for test in (str.islower, str.isupper, str.isdigit))
    return bits >= _ENTROPY_BITS_PER_CHARACTER and kinds > 1


def redact_data(value: Any) -> Any:  # noqa: ANN401 - JSON data
    """The same JSON data without secrets in its texts."""
    match value:
        case str():
            return redact(value)
        case dict():
            return {key: redact_data(item) for key, item in value.items()}
        case list():
            return [redact_data(item) for item in value]
        case _:
            return value
