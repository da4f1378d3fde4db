"""Takes secrets out of text and experiences before anything reaches the disk.

Precision over recall where code is concerned: a secret has a known shape, or it is a literal that
is assigned to a name which says so. Redaction supplements the user's own care and proves nothing.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections import Counter
from typing import Any

from learning.experience.secret_shapes import ISSUED, PLACED, PRIVATE_KEY
from learning.records import Action, Evidence, Experience, Message

MARK = "[redacted]"

_ISSUED = re.compile(rf"(?<![A-Za-z0-9])(?:{'|'.join(ISSUED.values())})")
_PLACED = tuple(map(re.compile, PLACED.values()))
_PHRASE = (
    r"(?:pass(?:word|wd|phrase|code|wort|ord)?|pwd|psk|secret|(?:bind|root|user|admin)pw|(?<![a-z])pw"
    r"|mot_?de_?passe|contrase[ñn]a|senha|wachtwoord|пароль|密码|パスワード)"
)
_KEY = (
    r"(?:(?:api|access|private|secret|signing|encryption|account|auth|master|app|aes|hmac|jwt|fernet)"
    r"[_-]?key(?:[_-]?base)?|token|session_?id|credentials?|connection_?string)"
)
# NAME = "literal": the literal goes; NAME = expression stays, or no code could be learned from.
_ASSIGNED = (
    r"(?:\\{0,3}[\"'])?\]?\s{0,8}(?::=|=>|:\s{0,4}[\w.\[\] |]{1,40}=|[:=])\s{0,8}"
    r"(?:Secret(?:Str|Bytes)?\(|\(\s{0,4}\n)?\s{0,40}[bfru]{0,2}"
)
_QUOTE = r"(\\{0,3}(?:\"{3}|'{3}|[\"'`]))"
_QUOTED = (
    re.compile(
        rf"(?i)(\b[\w.-]{{0,60}}{_PHRASE}{_ASSIGNED}){_QUOTE}"
        r"((?:(?!\2)(?:\\\S|[^\\\s])){4,4000}|(?:(?!\2)[^\"'\n]){4,4000})\2"
    ),
    re.compile(
        rf"(?i)(\b[\w.-]{{0,60}}{_KEY}{_ASSIGNED}){_QUOTE}(?![A-Za-z_]+\2)"
        r"((?:(?!\2)(?:\\\S|[^\\\s])){8,4000})\2"
    ),
)
_BESIDE = re.compile(
    rf"(?i)([\"'][\w.-]{{0,60}}(?:{_PHRASE}|{_KEY})[\"'],\s{{0,8}}[bfru]?)([\"'])([^\"'\s]{{8,4000}})\2"
)
"""A name and its value as arguments: `getenv("TOKEN", "…")`, `define('KEY', '…')`, a pair."""
_STAND_IN = re.compile(
    r"<.*>|(?:https?:/)?/.*|\{.*\}|\$.*|%.*|[\w:]*::[\w:.()]*|[.*x_-]+|\[.*\]",
    re.IGNORECASE | re.DOTALL,
)
"""Literals that stand for a value to come, or for a token of a grammar."""
_PLAIN = (
    re.compile(
        rf"(?im)((?:^[+-]?[ \t]*(?:-[ ]|export[ ]+|set[ ]+|:)?|[\s;?&\"'])[\w.-]{{0,60}}(?:{_PHRASE}|{_KEY}))"
        r"([ \t]{0,8}[:=][ \t]{0,8}(?:[|>][+-]?[ \t]{0,4}\n[ \t]{1,40}|&\w{1,40}[ \t]{1,4})?)"
        r"([^\s'\"#,;&(){}\[\]<>$`\\]{4,4000})(?=[;&\s\"']|$)"
    ),
    re.compile(  # a bold word of Markdown, or code behind a word
        rf"(?i)((?:\*\*|\b)(?:[\w-]{{1,20}} )?(?:{_PHRASE}|{_KEY}))"
        r"(:?\*\*:?[ \t]{0,4}`?|:[ \t]{0,4}`)([^\s|`'\"(){}\[\]<>$\\]{4,200})(?=[`\s]|$)"
    ),
    re.compile(  # a row of a table
        rf"(?i)(\|[ \t]{{0,20}}(?:[\w-]{{1,20}} )?(?:{_PHRASE}|{_KEY}))"
        r"([ \t]{0,20}\|[ \t]{0,20}`?)([^\s|`'\"(){}\[\]<>$\\]{4,200})(?=[` \t]{0,20}\|)"
    ),
    re.compile(  # a field of an object as a debugger shows it
        rf"(?i)([(,][ \t]{{0,4}}[\w.-]{{0,60}}(?:{_PHRASE}|{_KEY}))(=)"
        r"(?=[A-Za-z_-]{0,60}\d[\w!@%^*~+-]{0,60}[A-Za-z])([\w!@%^*~+-]{8,4000})(?=[),])"
    ),
)
_CODE_VALUE = re.compile(
    r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+|[\d.]+|[A-Za-z_]+[!?]?|\w*(?:pass|pwd|token|secret|key|value|str|int|arg)\w*"
    r"|[A-Za-z_]\w*\|.*|.*[=!]=.*|[/.~].*|https?:.*",
    re.IGNORECASE,
)
"""Values of plain assignments that are code, types, numbers or paths more likely than secrets."""
_WORD = re.compile(
    r"[A-Za-z_.:/-]+\d{0,3}|(?-i:[A-Z0-9_]+)|[\d.,:-]+|.*[{}\[\]<>%$].*|(?:https?:/)?/.*",
    re.IGNORECASE | re.DOTALL,
)
"""Arguments that are names, numbers or patterns more likely than secrets."""
_ENVIRONMENT = re.compile(
    r"(?m)(?:^|(?<=[\s;\"']))((?:export[ \t]+)?([A-Z][A-Z0-9_]{1,60})=)([^\s'\"#$]{6,4000})"
)
_ENTROPY_BITS_PER_CHARACTER = 3.5
_ENTROPY_MIN_LENGTH = 20


_SAYS_SECRET = re.compile(rf"(?i)[\w.-]{{0,60}}(?:{_PHRASE}|{_KEY})")


def redact(text: str, *, home: str = "") -> str:
    """The text without secrets; with `home`, that folder's path becomes `~`.

    Never raises; redacting twice changes nothing more.
    """
    text = PRIVATE_KEY.sub(MARK, text)
    text = _ISSUED.sub(MARK, text)
    for place in _PLACED:
        text = place.sub(rf"\g<1>{MARK}", text)
    for assignment in _QUOTED:
        text = assignment.sub(_literal, text)
    text = _BESIDE.sub(_argument, text)
    for assignment in _PLAIN:
        text = assignment.sub(_plain_value, text)
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


def _literal(match: re.Match[str]) -> str:
    name, quote, value = match.groups()
    return match.group() if _STAND_IN.fullmatch(value) else f"{name}{quote}{MARK}{quote}"


def _argument(match: re.Match[str]) -> str:
    name, quote, value = match.groups()
    return match.group() if _WORD.fullmatch(value) else f"{name}{quote}{MARK}{quote}"


def _plain_value(match: re.Match[str]) -> str:
    name, assigned, value = match.groups()
    return match.group() if _CODE_VALUE.fullmatch(value) else f"{name}{assigned}{MARK}"


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


def redact_data(value: Any, *, home: str = "") -> Any:  # noqa: ANN401 - JSON data
    """The same JSON data without secrets in its texts, in keys, and under keys that say so.

    With `home`, that folder's path becomes `~`.
    """
    match value:
        case str():
            return redact(value, home=home)
        case dict():
            return {
                _text_of(key, home): _field(key, item, home=home) for key, item in value.items()
            }
        case list() | tuple():
            return [redact_data(item, home=home) for item in value]
        case _:
            return value


def _text_of(key: Any, home: str) -> Any:  # noqa: ANN401 - JSON data
    return redact(key, home=home) if isinstance(key, str) else key


def _field(key: Any, item: Any, *, home: str) -> Any:  # noqa: ANN401 - JSON data
    if isinstance(key, str) and isinstance(item, str) and _SAYS_SECRET.fullmatch(key):
        return item if _STAND_IN.fullmatch(item) else MARK
    return redact_data(item, home=home)
