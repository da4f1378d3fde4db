"""Says whether a request names a file or needs it; other files are written after a question only."""

from __future__ import annotations

import re
from collections.abc import Sequence

from agent.context.outline import has_outline
from agent.editing.source_files import is_test_path
from agent.fixing.sources import Sources
from agent.reply.named import Names

_IDENTIFIER = re.compile(r"[A-Za-z_]\w{2,}")
_TESTS = re.compile(r"\btests?\b|\btest_\w+|\bcoverage\b", re.IGNORECASE)
_COMMAND_LINE = re.compile(
    r"(?<![\w-])--[a-z][\w-]+|\b(?:options?|flags?|(?:sub-?)?commands?|command[- ]line|cli)\b",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"`[^`\n]*`|\"[^\"\n]*\"")
_READS_ONE = re.compile(
    r"(?m)^\s*(?:import|from)\s+(?:argparse|click|docopt|fire|getopt|optparse|typer)\b"
)
_CLASS = re.compile(r"(?m)^\s*(?:export\s+)?(?:abstract\s+)?class\s+(\w+)")
_FEW = 2
_NEW = re.compile(
    r"\b(?:new|create|generate|scaffold|split|move|extract|file|module|script|package|project)\b",
    re.IGNORECASE,
)


def why_unasked(
    path: str, *, is_new: bool, requests: Sequence[str], sources: Sources, also: Sequence[str] = ()
) -> str:
    """The reason to ask before this file is written; empty if the request names or needs it.

    `requests` are the person's words, the last one last: a request that names nothing is about what
    the one before it named. `also` are files that belong to the conversation already.
    """
    if path in also or not requests:
        return ""
    request = next((text for text in reversed(requests) if _subjects(text, sources)), requests[-1])
    name = path.rpartition("/")[2]
    if name in request or (stem := name.partition(".")[0]) in _words(request):
        return ""
    if is_test_path(path):
        asks = any(_TESTS.search(text) for text in (request, requests[-1]))
        return "" if asks else f"the request does not ask for a test, and {path} is one"
    if is_new:
        makes = any(_NEW.search(text) for text in (request, requests[-1]))
        return "" if makes or stem == "__init__" else f"the request does not ask for {path}"
    subjects = _subjects(request, sources)
    if path in subjects or (
        has_outline(path) and (not subjects or _related(path, subjects, sources, request))
    ):
        return ""
    return f"the request does not name {path}"


def subject_files(request: str, sources: Sources) -> tuple[str, ...]:
    """The files that a request names, and those that define what it names, in that order."""
    return tuple(_subjects(request, sources) or _spoken_of(request, sources))


def _subjects(request: str, sources: Sources) -> dict[str, None]:
    names = Names(sources.files)
    said = request.replace(f"{sources.root}/", "./")
    found = dict.fromkeys([*names.mentioned(said), *names.with_name(said)])
    words = _words(request)
    if not found and _COMMAND_LINE.search(_QUOTED.sub("", request)):
        found.update(dict.fromkeys(_command_lines(sources)))
    for path in sorted(sources.files):
        if has_outline(path) and words & _defined(sources.text(path) or ""):
            found[path] = None
    return found


def _spoken_of(request: str, sources: Sources) -> list[str]:
    """The files with a class that a request speaks of in plain words, as `two vectors` of `Vector`."""
    words = {word.lower() for word in _words(request)}
    words |= {word.removesuffix("s") for word in words}
    texts = ((path, sources.text(path) or "") for path in sorted(sources.files))
    return [
        path
        for path, text in texts
        if has_outline(path)
        and not is_test_path(path)
        and words & {name.lower() for name in _CLASS.findall(text)}
    ][:_FEW]


def _command_lines(sources: Sources) -> list[str]:
    """The files that read a command line, where there are few."""
    texts = ((path, sources.text(path) or "") for path in sorted(sources.files))
    found = [path for path, text in texts if not is_test_path(path) and _READS_ONE.search(text)]
    return found if len(found) <= _FEW else []


def _related(
    path: str, subjects: Sequence[str] | dict[str, None], sources: Sources, request: str
) -> bool:
    """True if a file uses what the request names, or one of both imports the other."""
    text = sources.text(path) or ""
    used = set(_IDENTIFIER.findall(text))
    named = {
        word
        for word in _words(request)
        if any(word in _defined(sources.text(s) or "") for s in subjects)
    }
    if named & used:
        return True
    own = path.rpartition("/")[2].partition(".")[0]
    others = {subject.rpartition("/")[2].partition(".")[0]: subject for subject in subjects}
    return any(
        _imports(text, stem) or _imports(sources.text(subject) or "", own)
        for stem, subject in others.items()
    )


def _imports(text: str, module: str) -> bool:
    pattern = rf"(?m)^\s*(?:from|import)\b.*\b{re.escape(module)}\b|require\(.*{re.escape(module)}"
    return re.search(pattern, text) is not None


def _words(text: str) -> set[str]:
    return set(_IDENTIFIER.findall(text))


def _defined(text: str) -> set[str]:
    return set(
        re.findall(
            r"(?m)^\s*(?:export\s+)?(?:async\s+)?(?:def|class|function|func|fn)\s+(\w+)", text
        )
    )
