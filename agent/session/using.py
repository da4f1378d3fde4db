"""Says from the files who uses, calls or tests a name: a small model overlooks what it was not shown."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from agent.editing.python_source import definitions, parse_python, source_lines
from agent.editing.source_files import is_test_path
from agent.fixing.sources import Sources
from agent.refactoring.known import known_names
from agent.refactoring.planned import still_there

_MOST_SAID = 8
_NO_MORE = re.compile(
    r"(?:\s|[?.!]|\b(?:anywhere|at all|by any tests?|by anything|in (?:the|this|our) (?:code(?:base)?|project|repo(?:sitory)?|tests?)"
    r"|somewhere|still|yet|please)\b)*"
)
"""The words behind such a question that ask for nothing more."""
_LONGEST_LINE = 100
_NAME = r"`?(?P<name>[A-Za-z_]\w*(?:\.\w+)*)(?:\(\))?`?"
_NOUN = r"(?:the )?(?:function |method |class |constant )?"
_TESTED = (
    re.compile(rf"\b(?:is|are) {_NOUN}{_NAME} (?:\w+ ){{0,2}}?(?:tested|covered)\b", re.IGNORECASE),
    re.compile(rf"\b(?:which|what) tests? (?:cover|call|use|exercise|check|run)s? {_NOUN}{_NAME}\b", re.IGNORECASE),
    re.compile(rf"\b(?:are|is) there (?:any |a |some )?tests? (?:for|of|that \w+) {_NOUN}{_NAME}(?:\W|$)", re.IGNORECASE),
    re.compile(rf"\bdoes {_NOUN}{_NAME} have (?:any |a |some )?tests?\b", re.IGNORECASE),
    re.compile(rf"\bwhere (?:is|are) {_NOUN}{_NAME} tested\b", re.IGNORECASE),
)  # fmt: skip
_USED = (
    re.compile(rf"\bwhere (?:is|are) {_NOUN}{_NAME} (?:used|called|referenced)\b", re.IGNORECASE),
    re.compile(rf"\bwhere do (?:we|i|you|they) (?:use|call) {_NOUN}{_NAME}\b", re.IGNORECASE),
    re.compile(rf"\b(?:who|what|which \w+) (?:\w+ )?(?:calls?|uses?|references?) {_NOUN}{_NAME}\b", re.IGNORECASE),
    re.compile(rf"\bis {_NOUN}{_NAME} (?:\w+ )?(?:used|called|referenced)\b", re.IGNORECASE),
    re.compile(rf"\b(?:is|does) (?:any|some)(?:thing|one|body) (?:still )?(?:call|us|referenc)(?:ing|e)? {_NOUN}{_NAME}\b", re.IGNORECASE),
    re.compile(rf"\b(?:list|show)(?: me)? (?:all |the )*(?:callers|uses|usages) of {_NOUN}{_NAME}\b", re.IGNORECASE),
    re.compile(rf"\bbreaks? if (?:i|we) (?:change|delete|drop|remove|rename) {_NOUN}{_NAME}\b", re.IGNORECASE),
    re.compile(rf"\bcan (?:i|we) (?:safely )?(?:delete|drop|remove) {_NOUN}{_NAME}\b", re.IGNORECASE),
)  # fmt: skip


_IF_UNUSED = re.compile(
    rf"^\W*is {_NOUN}{_NAME} (?:(?:in|from) `?(?P<file>[\w./-]+\.py)`? )?(?:(?:actually|even|really|still) )?(?:called|needed|referenced|used)"
    r"(?: (?:anywhere|at all|by any(?:body|one|thing)|somewhere|any ?more))*"
    r"\s*\?\s*if (?:it(?:'s| is) not|it isn'?t|not|nothing (?:does|uses it)|unused),?\s+(?:(?:please|pls|then|just)\s+)*"
    r"(?:(?:delete|ditch|drop|kill|nuke|remove) it|(?:chuck|kick|rip|take|throw|toss) it (?:away|out)|get rid of it)"
    r"(?P<tests>,?\s*(?:and |with |along with )?(?:its|the) tests?(?: too| as well)?)?(?: please| pls)?[\s.!]*$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Use:
    path: str
    line: int
    inside: str
    """The qualified name of the function around it; empty at the top of a file."""
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenUses:
    """The places where a name stands."""

    said: str
    answers: bool
    """True if the question asks for nothing else; else this is only a part of its answer."""


def seen_uses(question: str, sources: Sources) -> SeenUses | None:
    """The places that a question about the uses or the tests of a name asks for.

    None if it asks for something else, or the project defines no such name.
    """
    said = " ".join(question.split())
    form, in_tests = _asked(_TESTED, said, sources), True
    if form is None:
        form, in_tests = _asked(_USED, said, sources), False
    if form is None:
        return None
    holder, _, name = form["name"].rpartition(".")
    answers = not holder and _NO_MORE.fullmatch(said[form.end() :]) is not None
    uses = [
        use
        for use in _uses(name, sources)
        if use.inside.rpartition(".")[2] != name and (not in_tests or is_test_path(use.path))
    ]
    if uses:
        more = f"\nand at {len(uses) - _MOST_SAID} more places" if len(uses) > _MOST_SAID else ""
        where = "these tests" if in_tests else "this code"
        listed = "\n".join(map(_in_words, uses[:_MOST_SAID]))
        return SeenUses(said=f"`{name}` stands in {where}:\n{listed}{more}", answers=answers)
    if in_tests:
        return SeenUses(said=f"`{name}` stands in no test.", answers=answers)
    written = still_there(name, sources, {})
    text = f" It is written at {', '.join(written)}." if written else ""
    return SeenUses(said=f"No code of the project uses `{name}`.{text}", answers=answers)


def unused_removal(text: str, sources: Sources) -> str:
    """The order to delete a name that a message wants deleted if nothing uses it; empty where that is in any doubt.

    Nothing may say the name but its one definition and, where these shall go, too, tests. What a decorator registers and
    what a class overrides is used by others.
    """
    found = _IF_UNUSED.match(" ".join(text.split()))
    name = found["name"] if found else ""
    if not found or "." in name:
        return ""
    defined = [
        (path, node)
        for path in sorted(sources.files)
        if path.endswith(".py")
        for qualified, node in definitions(sources.text(path) or "").items()
        if qualified == name
    ]
    if len(defined) != 1 or defined[0][1].decorator_list or name.startswith("__"):
        return ""
    path, node = defined[0]
    if found["file"] and not f"/{path}".endswith(f"/{found['file']}"):
        return ""
    own = range(node.lineno, (node.end_lineno or node.lineno) + 1)
    for file in sources.files:
        written = _lines_with(name, sources.text(file) or "")
        if file == path:
            written = [line for line in written if line not in own]
        if written and not (found["tests"] and is_test_path(file)):
            return ""
    return f"delete {name}" + (" and its tests" if found["tests"] else "")


def _lines_with(name: str, text: str) -> list[int]:
    """The lines in which a word stands, whatever it means there."""
    word = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)")
    return [number for number, line in enumerate(text.split("\n"), start=1) if word.search(line)]


def _asked(forms: tuple[re.Pattern[str], ...], said: str, sources: Sources) -> re.Match[str] | None:
    """The form of a question that fits, if the project defines the name that it is about."""
    for form in forms:
        if found := form.search(said):
            name = found["name"].rpartition(".")[2]
            if known_names([name], sources):
                return found
    return None


def _uses(name: str, sources: Sources) -> Iterator[_Use]:
    """The places where a name is read, called or imported; an import alone counts where nothing else does."""
    for path in sorted(sources.files):
        text = sources.text(path) or "" if path.endswith(".py") else ""
        tree = parse_python(text) if name in text else None
        if tree is None:
            continue
        read = [node for node in ast.walk(tree) if _reads(node, name)]
        found = read or [node for node in ast.walk(tree) if _imports(node, name)]
        lines, spans = source_lines(text), definitions(text)
        for line in sorted({getattr(node, "lineno", 1) for node in found}):
            around = [
                each
                for each, node in spans.items()
                if node.lineno < line <= (node.end_lineno or node.lineno)
            ]
            code = lines[line - 1].strip()[:_LONGEST_LINE]
            yield _Use(path=path, line=line, inside=max(around, key=len, default=""), code=code)


def _reads(node: ast.AST, name: str) -> bool:
    match node:
        case ast.Name(id=other, ctx=ast.Load()) | ast.Attribute(attr=other, ctx=ast.Load()):
            return other == name
        case _:
            return False


def _imports(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.ImportFrom) and any(alias.name == name for alias in node.names)


def _in_words(use: _Use) -> str:
    inside = f" in {use.inside}" if use.inside else ""
    return f"{use.path}:{use.line}{inside}: {use.code}"
