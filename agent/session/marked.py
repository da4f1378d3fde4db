"""Words after `@` in a request that are no files, and how such words are found."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from types import MappingProxyType

DIFF, FAILING = "diff", "failing"
GIVEN_WORDS: Mapping[str, str] = MappingProxyType(
    {DIFF: "what differs from the last commit", FAILING: "the red tests of the last run"}
)
"""Words after `@` that are no files, and what they give along."""
_MARKED = re.compile(r"(?<![\w@.])@(?P<word>[^\s@]+)")
_AROUND = ".,;:!?)]}'\"`"


def marked_words(text: str, files: Collection[str]) -> tuple[str, ...]:
    """The given words (`diff`, `failing`) of a text, unless a file of the project has that name."""
    said = dict.fromkeys(words_after_mark(text))
    return tuple(word for word in said if word in GIVEN_WORDS and word not in files)


def words_after_mark(text: str) -> Iterator[str]:
    """The words that stand behind an `@`, without what closes a sentence."""
    for match in _MARKED.finditer(text):
        word = match["word"].rstrip(_AROUND)
        yield word.removeprefix("./")
