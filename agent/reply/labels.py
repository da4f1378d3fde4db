"""Which file a block is meant for: paths in info strings, headings, sentences and comments.

A path that the project does not have counts only where it stands as a label of its own; inside a
sentence only known paths count, so that `order.net` never becomes a file.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import PurePosixPath

from agent.reply.blocks import Block

_TOKEN = re.compile(
    r"[\w@+.\-/\\]*[\w@+\-]\.[A-Za-z][A-Za-z0-9]{0,7}\b|[\w./\-]*(?:Make|Docker)file\b"
)
_LABEL_WORDS = re.compile(
    r"^(?:[-*+>\d.)\s#]*)(?:(?:the )?(?:updated|new|corrected|fixed|full|complete)?\s*"
    r"(?:file(?:name)?|path|filepath|title)\s*[:=]?\s*)?",
    re.IGNORECASE,
)
_COMMENT = re.compile(
    r"^\s*(?:#|//|--|;|%|/\*|<!--|\"\"\")\s*(?P<text>.*?)\s*(?:\*/|-->|\"\"\")?\s*$"
)
_EXTENSIONS = re.compile(
    r"pyi?|md|rst|txt|toml|cfg|ini|json|ya?ml|html|css|jsx?|tsx?|rs|go|[ch]|cc|[ch]pp|java|kt|rb|php"
    r"|sh|sql|xml|csv|lock|cs|swift|lua|jl|exs?|hs|scala",
    re.IGNORECASE,
)
_WRAPPING = "`*_\"'<>()[]{}:,; \t"


def normalise(raw: str, known: Collection[str]) -> str:
    """The known path that `raw` means, else `raw` itself with slashes and without `./`."""
    path = raw.strip(_WRAPPING).replace("\\", "/").removeprefix("./")
    if not path or path in known:
        return path
    for prefix in ("a/", "b/"):
        if path.startswith(prefix) and path[2:] in known:
            return path[2:]
    tail = "/" + path.lstrip("/")
    fits = [item for item in known if item.endswith(tail) or tail.endswith("/" + item)]
    return fits[0] if len(fits) == 1 else path


def label_of(block: Block, known: Collection[str]) -> tuple[str, str]:
    """The path that a block is labelled with and its content without the label line.

    The path is empty if there is none.
    """
    content = block.content
    first, _, rest = content.partition("\n")
    inside = _path_in_first_line(first, known)
    for found in (_path_in_info(block.info, known), _path_before(block.before, known), inside):
        if found:
            return found, rest if inside == found else content
    return "", content


def sole_path(line: str, known: Collection[str]) -> str:
    """The path that is all a line says, wrapped in markup or after `File:` or not; else empty."""
    text = _LABEL_WORDS.sub("", line.strip(), count=1)
    text = re.sub(r"\((?:new|updated|modified|fixed|full|complete)[^)]*\)\s*:?$", "", text.strip())
    match = _TOKEN.fullmatch(text.strip(_WRAPPING))
    return _accepted(match[0], known) if match else ""


def mentioned_paths(text: str, known: Collection[str]) -> tuple[str, ...]:
    """Known paths that a text names, in order, each once."""
    found = (normalise(match[0], known) for match in _TOKEN.finditer(text))
    return tuple(dict.fromkeys(path for path in found if path in known))


def is_path_like(text: str) -> bool:
    """Whether a text could be the path of a source file."""
    name = PurePosixPath(text).name
    return (
        name in ("Makefile", "Dockerfile")
        or _EXTENSIONS.fullmatch(name.rpartition(".")[2]) is not None
    )


def _accepted(token: str, known: Collection[str]) -> str:
    path = normalise(token, known)
    return path if path in known or is_path_like(path) else ""


def _path_in_info(info: str, known: Collection[str]) -> str:
    for word in re.split(r"[\s:={}]+", info):
        if (token := word.strip(_WRAPPING)) and _TOKEN.fullmatch(token):
            return _accepted(token, known)
    return ""


def _path_before(before: tuple[str, ...], known: Collection[str]) -> str:
    lines = [line for line in before if line.strip()]
    if not lines:
        return ""
    if path := sole_path(lines[-1], known):
        return path
    named = mentioned_paths(lines[-1], known) or _quoted_new_path(lines[-1])
    if named:
        return named[0] if len(named) == 1 else ""
    return next((path for line in reversed(lines) if (path := sole_path(line, known))), "")


def _quoted_new_path(line: str) -> tuple[str, ...]:
    """Paths of files that do not exist yet, where a sentence that ends in a colon quotes them."""
    if not line.rstrip().rstrip("*_").endswith(":"):
        return ()
    quoted = re.findall(r"[`*]{1,2}([^`*\s]+)[`*]{1,2}", line)
    return tuple(item for item in quoted if _TOKEN.fullmatch(item) and is_path_like(item))


def _path_in_first_line(line: str, known: Collection[str]) -> str:
    if comment := _COMMENT.match(line):
        return sole_path(comment["text"], known)
    bare = normalise(line, known)
    return bare if bare in known else ""
