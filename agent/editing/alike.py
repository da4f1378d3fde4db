"""Tells lines that differ in white space, quotes or comments from lines that say something else.

A SEARCH block matches a place only if every name, number, operator and text is the same. Where white
space or the kind of quote has a meaning, it has to be the same, too.
"""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Sequence
from pathlib import PurePosixPath

_PYTHON = frozenset({".py", ".pyi", ".pyw"})
_BRACES = frozenset(
    {".c", ".h", ".cc", ".cpp", ".cxx", ".hpp", ".java", ".kt", ".scala", ".cs", ".go", ".rs"}
    | {".swift", ".js", ".jsx", ".mjs", ".cjs", ".ts", ".tsx", ".json"}
)
_LAID_OUT = frozenset(
    {".yml", ".yaml", ".mk", ".md", ".rst", ".hs", ".nim", ".coffee", ".pug", ".haml", ".slim"}
    | {".sass", ".styl", ".diff", ".patch", ".tsv", ".fs", ".elm"}
)
"""Languages in which the white space before a line has a meaning."""
_EITHER_QUOTE = frozenset({".js", ".jsx", ".mjs", ".cjs", ".ts", ".tsx"})
_OPERATOR = (
    r">>>=|===|!==|\*\*=|//=|<<=|>>=|\.\.\.|->|=>|:=|::|\+\+|--|&&|\|\||\?\?|\?\.|==|!=|<=|>="
    r"|\+=|-=|\*=|/=|%=|&=|\|=|\^=|@=|<<|>>|\*\*|//"
)
_TOKEN = re.compile(
    r"(?P<text>[rRbBfFuU]{0,2}(?:\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'))"
    rf"|(?P<word>[\w.]*\w)|(?P<operator>{_OPERATOR})|(?P<other>\S)"
)
_MEANS_WHITE_SPACE = re.compile(
    r"`|(?:^|[=(,:!&|?;{}\[]|\b(?:return|case|typeof|yield|await))\s*/(?![/*])"
    r"|</|/>|://|^\s*#\s*define\b"
)
"""Begins a template, a regular expression, a text in tags, an address or a macro: there every space
counts, and two slashes are no comment.
"""


class Lines:
    """The lines of one file, each in a form in which alike lines are equal."""

    def __init__(self, lines: Sequence[str], path: str) -> None:
        name = PurePosixPath(path)
        self._kind = name.suffix.lower()
        self._exact = self._kind in _LAID_OUT or name.stem.lower() in ("makefile", "gnumakefile")
        self._lines = lines
        inside = _inside_of_texts if self._kind in _PYTHON else _between_open_texts
        self._inside = inside(lines)

    def alike(self, number: int, line: str) -> bool:
        """True if the line, as somebody copied it, is the line of this number from 0."""
        own = self._lines[number]
        if own.rstrip() == line.rstrip():
            return True
        if number in self._inside:
            return own.strip() == line.strip()
        return self._form(own) == self._form(line)

    def is_comment(self, line: str) -> bool:
        """True if a line holds only comments or white space, so that it identifies no place."""
        return self._form(line) in ((), ("#",), ("//",), "")

    def _form(self, line: str) -> object:
        if self._kind in _PYTHON:
            return _tokens(line, comment="#", either_quote=True)
        if self._kind in _BRACES and not _MEANS_WHITE_SPACE.search(line):
            return _tokens(line, comment="//", either_quote=self._kind in _EITHER_QUOTE)
        return line.rstrip() if self._exact else line.strip()


def _tokens(line: str, *, comment: str, either_quote: bool) -> tuple[str, ...]:
    """The tokens of a line, without its comment; a text by what it holds."""
    found: list[str] = []
    at = 0
    while match := _TOKEN.search(line, at):
        if line.startswith(comment, match.start()) and match["text"] is None:
            found.append(comment if not found else "")
            break
        text = match["text"]
        found.append(_plain(text) if text and either_quote else match.group())
        at = match.end()
    return tuple(filter(None, found))


def _plain(text: str) -> str:
    """A text in quotes with one kind of quote: its prefix, and what stands between."""
    quote = text[-1]
    prefix, _, rest = text.partition(quote)
    body = rest[:-1]
    if "\\" not in body and '"' not in body and "'" not in body:
        return f'{prefix}"{body}"'
    return text


def _inside_of_texts(lines: Sequence[str]) -> frozenset[int]:
    """The lines of a Python file, from 0, that a text over several lines covers or begins on."""
    covered: set[int] = set()
    if any("\r" in line for line in lines):  # Python would count other lines
        return frozenset(range(len(lines)))
    opened: list[int] = []
    try:
        for token in tokenize.generate_tokens(io.StringIO("\n".join(lines) + "\n").readline):
            kind = tokenize.tok_name[token.type]
            if kind in ("FSTRING_START", "TSTRING_START"):  # Python 3.12 takes these apart
                opened.append(token.start[0])
            elif kind in ("FSTRING_END", "TSTRING_END"):
                covered |= _lines_between(opened.pop(), token.end[0])
            elif kind == "STRING":
                covered |= _lines_between(token.start[0], token.end[0])
    except (tokenize.TokenError, SyntaxError):
        return frozenset(range(len(lines)))
    return frozenset(covered)


def _lines_between(first: int, last: int) -> set[int]:
    """The lines from 0 that a text covers which begins and ends on these from 1, if on several."""
    return set(range(first - 1, last)) if first != last else set()


def _between_open_texts(lines: Sequence[str]) -> frozenset[int]:
    """The lines of another language, from 0, that may stand in a text over several lines.

    Those are all from the first to the last line with an odd number of the signs that open one.
    """
    plain = [line.replace('\\"', "") for line in lines]
    odd = [n for n, line in enumerate(plain) if line.count('"') % 2 or line.count("`") % 2]
    return frozenset(range(odd[0], odd[-1] + 1)) if odd else frozenset()
