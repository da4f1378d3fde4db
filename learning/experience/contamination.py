"""Keeps benchmark tasks out of training: an adapter must not be measured on what it learned.

A function of a benchmark is known by its signature and the first words of its docstring, of which
`benchmarks.txt` holds digests only. Copies are found in any file and layout; paraphrases are not.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

from learning.records import Experience

_KNOWN = Path(__file__).with_name("benchmarks.txt")
_FUNCTION = re.compile(
    r"def (\w{1,100})\(([^)]{0,500})\)[^:\n]{0,200}:\s{0,200}(?:'''|\"\"\")(?=(.{8,200}))",
    re.DOTALL,
)
_WORDS = 8
_DIGITS = 16


def fingerprints(text: str) -> Iterator[str]:
    """One digest for every function with a docstring in a text."""
    for name, arguments, words in _FUNCTION.findall(text):
        first = " ".join(words.split()[:_WORDS])
        spelled = f"{name} {_names(arguments)} {first}".lower()
        yield hashlib.sha256(spelled.encode()).hexdigest()[:_DIGITS]


def is_benchmark(experience: Experience) -> bool:
    """True if the experience's prompt, action or file has a function of a known benchmark."""
    known = _known()
    texts = [message.content for message in experience.messages]
    texts += [experience.before, experience.after, experience.action.text]
    return any(print_ in known for text in texts for print_ in fingerprints(text))


@functools.cache
def _known() -> frozenset[str]:
    lines = _KNOWN.read_text(encoding="ascii").splitlines()
    return frozenset(line for line in lines if not line.startswith("#"))


def _names(arguments: str) -> str:
    """The arguments without their types and defaults, which copies often lose."""
    return " ".join(re.findall(r"(?:^|,)\s*(\w+)", arguments))
