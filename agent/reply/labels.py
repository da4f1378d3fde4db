"""Finds the file of a block: paths in info strings, headings, sentences and comments.

A path that the project does not have counts only as a label of its own; inside a sentence only known
paths count, so that `order.net` never becomes a file. A label is peeled layer by layer, and a known
path counts before the next layer is peeled: names may have spaces, brackets and quotes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from agent.reply.blocks import FencedBlock
from agent.reply.named import Names, Unclear, quoted
from agent.reply.words import (
    COMMANDS,
    FUNCTION_WORDS,
    HEADINGS,
    LANGUAGES,
    STARTERS,
    is_language,
    is_path_like,
)

_STATE = r"(?:updated|new|corrected|fixed|full|complete|modified|final|revised|changed)"
_LABEL_WORD = re.compile(
    rf"\*{{0,2}}(?:the\s+)?(?:{_STATE}\s+)?(?:file(?:\s?name|\s?path)?|path|title)"
    r"(?:\*{0,2}\s*[:=]\s*\*{0,2}\s*|\s+(?=[`'\"*]))",
    re.IGNORECASE,
)
_MARKER = re.compile(r"(?:[-*+>]|\d+[.)]|#{1,6})\s+|(?:\+\+\+|---)\s+[ab]/")
_STATE_AFTER = re.compile(rf"\s+\((?:{_STATE}|created|unchanged)\b[^()]*\)\s*:?$", re.IGNORECASE)
_LINK = re.compile(r"\[(?P<text>[^\]]+)\]\((?P<target>[^()\s]+)\)")
_PAIRS = ("****", "**", "````", "``", '""', "''", "“”", "\u2018\u2019", "«»", "<>", "()")
"""Signs around a path: the first half of each before it, the second half after it."""
_NO_QUOTES = frozenset("<(")
_MOST_LAYERS = 12
_MOST_WORDS = 8
_COMMENT = re.compile(
    r"^\s*(?:#|//|--|;|%|/\*|<!--|\"\"\")\s*(?P<text>.*?)\s*(?:\*/|-->|\"\"\")?\s*$"
)
_ATTRIBUTE = re.compile(
    r"(?:title|file|filename|path|name)\s*=\s*(?:\"([^\"]+)\"|'([^']+)'|([^\s{}\"']+))"
)
_OPTIONS = re.compile(
    r"(?:\s+(?:\{[^}]*\}|[A-Za-z][\w-]*=(?!\S*\.\w+$)\S+|showLineNumbers|linenums))+$"
)
_MAY_BE_PATH = re.compile(r"[^\s()=:;,]*\w\.[A-Za-z_]\w*|/?[\w.@~-]+(?:/[\w.@~-]+)+")
_ENDING = re.compile(r"\.\w+$")
_NO_NAME = "does not look like a file's name"
_WORD = "can be a file's name or any word"
_DOUBT = "can be a sentence about a file or the name of another one"


@dataclass(frozen=True, slots=True)
class _Layer:
    """Rest of a line after an outer layer was peeled."""

    text: str
    is_quoted: bool = False
    is_explicit: bool = False
    """True if a word such as `File:` said that a path follows."""
    is_doubtful: bool = False
    """True if the signs around it stand within it, too."""


def label_of(block: FencedBlock, names: Names) -> tuple[str | Unclear, str]:
    """The path that a block is labelled with and its content without the label line.

    The path is empty if there is none.
    """
    first, _, rest = block.content.partition("\n")
    info, before = _path_in_info(block.info, names), _path_before(block.before, names)
    if isinstance(info, str) and isinstance(before, str) and info and before and info != before:
        return _conflict(block, names, info), block.content
    inside = _path_in_first_line(first, names)
    chosen = _first_sure([item for item in (info, before, inside) if item])
    is_title = bool(info or before) and block.language in ("markdown", "md")
    is_label_line = inside == chosen != "" and not is_title
    return chosen, rest if is_label_line else block.content


def _first_sure(found: Sequence[str | Unclear]) -> str | Unclear:
    """The first path; else the first that is a label at least; else the first of all."""
    paths = [item for item in found if isinstance(item, str)]
    labels = [item for item in found if isinstance(item, Unclear) and item.is_label]
    return next(iter([*paths, *labels, *found]), "")


def sole_path(line: str, names: Names) -> str | Unclear:
    """The path that is all a line says, wrapped in markup or after `File:` or not; else empty."""
    if "\n" in line.strip():
        return ""
    layers = list(_layers(line))
    for layer in layers:
        if found := names.existing(layer.text):
            return found
    for layer in layers:
        if names.asks_by_quoting(layer.text) and is_path_like(layer.text):
            return names.meaning(layer.text)
    return _new_path(layers[-1], names)


def _layers(line: str) -> Iterator[_Layer]:
    """The line, then its rest after each peeled layer."""
    layer = _Layer(line)
    for _ in range(_MOST_LAYERS):
        yield layer
        inner = _peeled(layer)
        if inner is None:
            return
        layer = inner


def _peeled(layer: _Layer) -> _Layer | None:
    """The rest after peeling the outermost layer; None if there is none."""
    text = layer.text
    if (bare := text.strip()) != text:
        return replace(layer, text=bare)
    if (cut := _STATE_AFTER.sub("", text).removesuffix(":")) != text and cut:
        return replace(layer, text=cut)
    if match := _LABEL_WORD.match(text):
        is_file = "title" not in match[0].lower()
        return replace(layer, text=text[match.end() :], is_explicit=is_file)
    if link := _LINK.fullmatch(text):
        return replace(layer, text=link["target"], is_quoted=True)
    match = _MARKER.match(text)
    return replace(layer, text=text[match.end() :]) if match else _unwrapped(layer)


def _unwrapped(layer: _Layer) -> _Layer | None:
    for pair in _PAIRS:
        opening, closing = pair[: len(pair) // 2], pair[len(pair) // 2 :]
        inner = layer.text.removeprefix(opening).removesuffix(closing)
        is_whole = len(layer.text) == len(inner) + len(pair)
        if inner and is_whole:
            return replace(
                layer,
                text=inner,
                is_quoted=layer.is_quoted or opening not in _NO_QUOTES,
                is_doubtful=layer.is_doubtful or opening[0] in inner or closing[0] in inner,
            )
    return None


def _new_path(layer: _Layer, names: Names) -> str | Unclear:
    """The path of a file that the project does not have, if that is what a line says."""
    words = layer.text.split()
    if not words or "://" in layer.text or len(words) > _MOST_WORDS:
        return ""
    is_file = is_path_like(layer.text) or names.asks_for_file(layer.text)
    if layer.is_doubtful:
        is_one = is_file and len(words) == 1
        return Unclear(layer.text, _DOUBT, is_label=False) if is_one else ""
    if len(words) == 1:
        return _new_path_of_one_word(layer, names, is_file=is_file)
    if is_file or (layer.is_explicit and layer.is_quoted):
        return _new_path_with_spaces(layer, names)
    return Unclear(layer.text, _NO_NAME, is_label=False) if layer.is_explicit else ""


def _new_path_of_one_word(layer: _Layer, names: Names, *, is_file: bool) -> str | Unclear:
    text = layer.text
    if is_file or layer.is_explicit or _is_in_folder(text, names):
        return names.meaning(text)
    bare = text.rstrip(".,;!?")
    if bare != text and (names.existing(bare) or is_path_like(bare)):
        return Unclear(text, f"ends in {text[len(bare) :]!r}")
    may_be = text in HEADINGS or _MAY_BE_PATH.fullmatch(text)
    return Unclear(text, _NO_NAME, is_label=False) if may_be else ""


def _new_path_with_spaces(layer: _Layer, names: Names) -> str | Unclear:
    text = layer.text
    words = [word.lower().strip(",.:;") for word in text.split()[:-1]]
    is_asked_for = names.asks_for(text) and words[0] not in STARTERS
    if layer.is_explicit or (is_asked_for and names.mentioned(text)[1:] == ()):
        return names.meaning(text)
    if words[0] in COMMANDS:
        return Unclear(text, "can be a command or the name of a file", is_label=False)
    if layer.is_quoted:
        return names.meaning(text)
    if names.mentioned(text):
        return ""
    if FUNCTION_WORDS & set(words):
        return Unclear(text, _DOUBT, is_label=False)
    return names.meaning(text)


def _is_in_folder(text: str, names: Names) -> bool:
    """True if a text without an extension that is known is a path in a folder that is."""
    folder, _, name = text.replace("\\", "/").removeprefix("./").rpartition("/")
    return bool(folder and name and (names.has_folder(folder) or _ENDING.search(name)))


def _conflict(block: FencedBlock, names: Names, info: str) -> str | Unclear:
    """Decision where an info string and the line before the block name different files."""
    last = next((line for line in reversed(block.before) if line.strip()), "")
    other = sole_path(last, names)
    if not other or isinstance(other, Unclear):
        return info
    return Unclear(last.strip(), f"and the block's own, {info!r}, are different files")


def _path_in_info(info: str, names: Names) -> str | Unclear:
    if info.strip() in LANGUAGES:  # `makefile` says how to colour the block
        return ""
    texts = list(_texts_of_info(info))
    for text in (info.strip(), *texts):
        if found := names.existing(text):
            return found
    for text in texts:
        if is_path_like(text):
            said = _Layer(text, is_explicit=text in _attributes(info))
            return _new_path(said, names)
    return ""


def _texts_of_info(info: str) -> Iterator[str]:
    """Parts of an info string that can be a path: attributes, text after the language, or all."""
    yield from _attributes(info)
    bare = _OPTIONS.sub("", info.strip()).strip("{}").strip()
    for sign in (" ", ":"):
        language, _, rest = bare.partition(sign)
        if rest and is_language(language):
            yield from (layer.text for layer in _layers(rest) if layer.text)
            return
    yield bare


def _attributes(info: str) -> tuple[str, ...]:
    return tuple(next(filter(None, groups)) for groups in _ATTRIBUTE.findall(info))


def _path_before(before: tuple[str, ...], names: Names) -> str | Unclear:
    lines = [line for line in before if line.strip()]
    if not lines:
        return ""
    last = lines[-1]
    sole = sole_path(last, names)
    if sole and (isinstance(sole, str) or sole.is_label):
        return sole
    if named := _named_in_sentence(last, names):
        return named
    earlier = (sole_path(line, names) for line in reversed(lines[:-1]))
    return next((path for path in earlier if path and isinstance(path, str)), sole)


def _named_in_sentence(line: str, names: Names) -> str | Unclear:
    """The one file that a sentence is about, if it says so without doubt."""
    known = names.mentioned(line)
    said = (*quoted(line.replace("**", "`")), *names.asked_for_in(line))
    new = tuple({item for item in said if is_path_like(item) and not names.existing(item)})
    if len(known) + len(new) > 1:
        return Unclear(line.strip(), "names several files", is_label=False)
    if new:
        is_heading = line.rstrip().rstrip("*_").endswith(":")
        return (
            names.meaning(new[0])
            if is_heading
            else Unclear(new[0], "is in a sentence", is_label=False)
        )
    if not known or _is_said(known[0], line, names):
        return known[0] if known else ""
    ends = line.rstrip(" :*_").endswith(known[0].rpartition("/")[2])
    return Unclear(line.strip(), _DOUBT, is_label=ends)


def _is_said(path: str, line: str, names: Names) -> bool:
    """True if the words before a path in a sentence cannot be a part of its name."""
    before, after = names.around(path, line)
    words = [word.lower().strip(",.:;") for word in before.split()]
    if not words or not before[-1].isspace():
        return True
    if words[-1] not in FUNCTION_WORDS:
        return False
    if after.strip(" :*_"):
        return True
    is_long = len(words) > 2  # noqa: PLR2004
    return words[0] in STARTERS and (is_long or (words[0] != "the" and ":" in after))


def _path_in_first_line(line: str, names: Names) -> str | Unclear:
    comment = _COMMENT.match(line)
    if comment is None:
        found = names.existing(line)
        return found if not found or _is_no_word(found) else Unclear(found, _WORD, is_label=False)
    path = sole_path(comment["text"], names)
    if isinstance(path, Unclear):
        return path if path.is_label and len(path.label.split()) == 1 else ""
    is_explicit = _LABEL_WORD.match(comment["text"]) is not None
    if path and not (_is_no_word(path) or is_explicit):
        return Unclear(path, _WORD, is_label=False)
    if " " not in path or names.existing(path) or names.asks_by_quoting(path):
        return path
    return Unclear(path, _DOUBT, is_label=False)


def _is_no_word(path: str) -> bool:
    """True if a file's path can be told from a word that stands in the file."""
    return is_path_like(path) or "/" in path
