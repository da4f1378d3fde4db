"""Drafts of contexts: functions made of the code that comes with a library, not yet run."""

from __future__ import annotations

import ast
import keyword
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from agent.contexts.boxed import Tried
from learning.contexts.change import ApiChange, ChangeKind
from learning.contexts.context import ApiContext
from learning.contexts.snippets import Snippet, snippets_of
from learning.contexts.twins import Twin, stale_twin
from learning.contexts.typed import typed_head
from learning.contexts.use import UseOrigin
from learning.contexts.variations import converted

_MARKUP = re.compile(r":\w+:`~?([^`]+)`|`{1,2}([^`]+)`{1,2}|\*\*?([^*]+)\*\*?")
_LONGEST_REQUEST = 160
_FEWEST_WORDS = 3
_COMMON = frozenset(
    re.findall(
        r"\w+",
        "a an the of to in on for by with from as at is are be this that it its or and "
        "all each given return returns ",
    )
)


_OF_ITSELF = frozenset({ChangeKind.NAME, ChangeKind.JOINED, ChangeKind.VARIANT})
"""Kinds whose successor does something by itself: its own documentation says what, wherever it is used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A function to be run, for one change; without one it is a call that did not change."""

    change: ApiChange | None
    api: str
    snippet: Snippet
    twin: Twin | None
    origin: UseOrigin
    request: str
    want: str = ""
    """The value that the documentation shows for the example."""

    def with_snippet(self, snippet: Snippet, *, origin: UseOrigin | None = None) -> Draft | None:
        """The draft with another form of its function; None if that no longer uses the API."""
        twin = None if self.change is None else stale_twin(snippet.source, self.change)
        if self.change is not None and twin is None:
            return None
        return replace(self, snippet=snippet, twin=twin, origin=origin or self.origin, want="")


def drafts_for(change: ApiChange, pieces: Sequence[Mapping[str, Any]]) -> Iterator[Draft]:
    """Drafts from code that comes with the library, the successor's own documentation first."""
    last = change.last

    def uses(tree: ast.AST) -> bool:
        return stale_twin(ast.unparse(tree), change) is not None

    for piece in sorted(pieces, key=lambda each: str(each["name"]).rpartition(".")[2] != last):
        lines = [str(source) for source, _ in piece["code"]]
        lines = [*usual_imports(change.library, lines), *lines]
        own = str(piece["name"]).rpartition(".")[2] == last
        about = change.about if change.kind in _OF_ITSELF and not own else str(piece["about"])
        request = sentence(about, _spoken(change))
        for snippet in snippets_of(lines, uses, function=function_name(request, last)):
            twin = stale_twin(snippet.source, change)
            if twin is not None:
                yield Draft(
                    change=change,
                    api=change.api,
                    snippet=snippet,
                    twin=twin,
                    origin=UseOrigin(str(piece["kind"])),
                    request=request,
                    want=_want(piece, snippet),
                )


def searched_words(change: ApiChange) -> frozenset[str]:
    """Words that code which uses a change has."""
    return frozenset({change.new}) if change.kind is ChangeKind.VALUE else change.words


def pieces_with(pieces: Sequence[Mapping[str, Any]], change: ApiChange) -> list[Mapping[str, Any]]:
    """The pieces of code that have all words of a change."""
    words = searched_words(change)
    return [
        piece
        for piece in pieces
        if all(any(word in str(source) for source, _ in piece["code"]) for word in words)
    ]


def different(drafts: Sequence[Draft]) -> list[Draft]:
    """The drafts without those whose code, or data, stood before."""
    return list({(d.api, d.snippet.source): d for d in reversed(drafts)}.values())[::-1]


def anchors_from(
    library: str, pieces: Sequence[Mapping[str, Any]], without: frozenset[str]
) -> Iterator[Draft]:
    """Drafts of documented calls that use none of the names that have changed; one for each name."""
    seen: set[str] = set()
    for piece in pieces:
        name = str(piece["name"]).rpartition(".")[2]
        if piece["kind"] != "docstring" or name.startswith("_") or name in without or name in seen:
            continue

        def uses(tree: ast.AST, name: str = name) -> bool:
            return any(isinstance(n, ast.Attribute) and n.attr == name for n in ast.walk(tree))

        lines = [str(source) for source, _ in piece["code"]]
        lines = [*usual_imports(library, lines), *lines]
        request = sentence(str(piece["about"]), frozenset({name}))
        for snippet in snippets_of(lines, uses, function=function_name(request, name)):
            if without & set(re.findall(r"\w+", snippet.source)):
                continue
            seen.add(name)
            yield Draft(
                change=None,
                api=f"{library}.{piece['name']}",
                snippet=snippet,
                twin=None,
                origin=UseOrigin.DOCSTRING,
                request=request,
                want=_want(piece, snippet),
            )
            break


def look_alikes_from(
    library: str,
    pieces: Sequence[Mapping[str, Any]],
    old: frozenset[str],
    without: frozenset[str],
) -> Iterator[Draft]:
    """Drafts of code that uses a name which is gone elsewhere: `frame.columns` beside `DataFrame(columns=)`.

    One draft for each name and piece. What uses a name `without` is left out: it shows what changed.
    """
    for piece in pieces:
        lines = [str(source) for source, _ in piece["code"]]
        lines = [*usual_imports(library, lines), *lines]
        own = str(piece["name"]).rpartition(".")[2]
        request = sentence(str(piece["about"]), frozenset({own}))
        for name in sorted(old & set(re.findall(r"\w+", "\n".join(lines)))):

            def uses(tree: ast.AST, name: str = name) -> bool:
                return any(
                    (isinstance(node, ast.Attribute) and node.attr == name)
                    or (isinstance(node, ast.keyword) and node.arg == name)
                    for node in ast.walk(tree)
                )

            for snippet in snippets_of(lines, uses, function=function_name(request, own)):
                if without & set(re.findall(r"\w+", snippet.source)):
                    continue
                yield Draft(
                    change=None,
                    api=f"{library}.{name} ({piece['name']})",
                    snippet=snippet,
                    twin=None,
                    origin=UseOrigin(str(piece["kind"])),
                    request=request,
                    want=_want(piece, snippet),
                )
                break


def usual_imports(library: str, lines: Sequence[str]) -> list[str]:
    """Imports that examples of a library leave out, because their tests give them."""
    shown = "\n".join(lines)
    usual = {"numpy": "np", "pandas": "pd", "polars": "pl", "networkx": "nx"}
    return [
        f"import {name} as {alias}"
        for name, alias in usual.items()
        if re.search(rf"\b{alias}\.", shown) and f"as {alias}" not in shown
    ]


def _spoken(change: ApiChange) -> frozenset[str]:
    """Names of a change that its request must not give away: those that are no words by themselves."""
    return frozenset(part for part in re.findall(r"\w+", change.new) if "_" in part)


def sentence(about: str, hidden: frozenset[str]) -> str:
    """A request in one sentence, from documentation; empty where that is no sentence or tells a name."""
    text = _MARKUP.sub(lambda match: next(part for part in match.groups() if part), about)
    text = " ".join(text.split())
    words = set(re.findall(r"\w+", text))
    if len(words) < _FEWEST_WORDS or len(text) > _LONGEST_REQUEST or hidden & words:
        return ""
    if text.startswith((">>>", "..", "-", "(")) or re.match(r"\w+ ?: ", text):
        return ""
    return text if text.endswith((".", "!", "?")) else f"{text}."


def context_of(draft: Draft, ran: Tried, stale: Tried | None, *, version: str) -> ApiContext:
    """The context that a draft has become when it was run."""
    change = draft.change
    library = change.library if change is not None else draft.api.partition(".")[0]
    return ApiContext(
        api=draft.api,
        library=library,
        version=version,
        origin=draft.origin,
        request=draft.request,
        head=draft.snippet.head,
        code=draft.snippet.source,
        call=draft.snippet.call,
        value=ran.value,
        line=" ".join(draft.snippet.result.split()),
        stale=draft.twin.stale if draft.twin is not None else "",
        error=stale.failure if stale is not None else "",
        names=draft.twin.names if draft.twin is not None else (),
        documented=bool(draft.want) and _same(draft.want, ran),
    )


def typed(draft: Draft, ran: Tried) -> Draft:
    """The draft with the type of its result in its head, where it is plain Python."""
    old = draft.snippet
    if (head := typed_head(old.head, ran.value)) == old.head:
        return draft
    source = old.source.replace(f"{old.head}\n", f"{head}\n", 1)
    return draft.with_snippet(replace(old, source=source, head=head)) or draft


def plain_form(draft: Draft, ran: Tried) -> Draft | None:
    """The draft with plain Python as its result, and its type in its head; None if that loses the API."""
    if ran.conversions:
        return draft.with_snippet(converted(draft.snippet, ran.conversions[0]))
    return typed(draft, ran)


def is_of_the_holder(draft: Draft, stale: Tried | None) -> bool:
    """True if a stale twin failed at the very class, module or function that had failed in experience."""
    return stale is not None and draft.change is not None and draft.change.holder in stale.error


def fails_by_the_api(draft: Draft, stale: Tried) -> bool:
    """True if a stale twin failed with an error that names the old API.

    A warning of a deprecation may name it in its text; another error must quote it, or show it as code:
    names such as `by` and `index` are words of many messages.
    """
    if stale.ok or draft.change is None or not stale.exception:
        return False
    before, behind = (r"(?<!\w)", r"(?!\w)")
    if "Warning" not in stale.exception:
        before, behind = (r"""(?<=['"`.])""", r"""(?=['"`(=])""")
    named = (re.escape(name) for name in draft.change.gone)
    return any(re.search(f"{before}{name}{behind}", stale.error) for name in named)


def _same(want: str, ran: Tried) -> bool:
    return " ".join(want.split()) in (" ".join(ran.value.split()), " ".join(ran.printed.split()))


def _want(piece: Mapping[str, Any], snippet: Snippet) -> str:
    for source, want in piece["code"]:
        if want and _normal(source) == _normal(snippet.result):
            return str(want)
    return ""


def _normal(source: str) -> str:
    try:
        return ast.unparse(ast.parse(source.strip()))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return source.strip()


def function_name(request: str, hidden: str) -> str:
    """A name of the request's first words; it must not tell the API that is asked for."""
    words = [word.lower() for word in re.findall(r"[A-Za-z]+", request)]
    kept = [word for word in words if word not in _COMMON and word not in hidden.lower()]
    name = "_".join(kept[:2])
    return name if name.isidentifier() and not keyword.iskeyword(name) else "compute"
