"""A map of the repository for the model: the signatures that matter most, within a budget."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from agent.context.outline import Definition, Outline, has_outline, outline
from agent.context.ranking import Ranked, rank_definitions
from agent.editing.source_files import is_test_path
from agent.fixing.sources import Sources

_MOST_FILES = 2000
_TEST_SHARE = 0.1
_MOST_FIELDS = 12
_OUTSIDERS = frozenset({"node_modules", "vendor", "third_party", "dist", "build", ".venv", "venv"})
_WORD = re.compile(r"[A-Za-z_]\w{2,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryMap:
    """Signatures grouped by file."""

    text: str
    """Empty if there is nothing to show."""
    definitions: int
    """Number of definitions shown."""
    left_out: int


class Cartographer:
    """Makes maps; a file is parsed again only when its text has changed.

    One map takes `parse_s` seconds of parsing at most; the next one goes on with the rest.
    """

    def __init__(
        self, *, parse_s: float = 2.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._parse_s = parse_s
        self._clock = clock
        self._known: dict[str, tuple[int, Outline | None]] = {}

    def draw(
        self,
        sources: Sources,
        *,
        budget_tokens: int,
        count: Callable[[str], int],
        request: str = "",
        focus: Collection[str] = (),
        without: Collection[str] = (),
    ) -> RepositoryMap:
        """The map for a request. Blocks; reads and parses at most 2,000 files.

        `focus` are the files that it is about, such as those of the last traceback; files in
        `without` are shown elsewhere, so their own signatures are left out.
        """
        outlines = self._outlines(sources, focus)
        wanted = frozenset(_WORD.findall(request))
        ranked = [
            item
            for item in rank_definitions(outlines, focus=[*focus, *without], wanted=wanted)
            if item.path not in without
        ]
        ranked.sort(key=lambda item: -item.weight * (_TEST_SHARE if _is_test(item) else 1.0))
        chosen = _fitting(ranked, outlines, budget_tokens, count)
        return RepositoryMap(
            text=_drawn(chosen, outlines),
            definitions=len(chosen),
            left_out=len(ranked) - len(chosen),
        )

    def _outlines(self, sources: Sources, focus: Collection[str]) -> dict[str, Outline]:
        found: dict[str, Outline] = {}
        ends = self._clock() + self._parse_s
        for path in _candidates(sources.files, focus)[:_MOST_FILES]:
            text = sources.text(path)
            if text is None:
                continue
            key = hash(text)
            known = self._known.get(path)
            if known is None or known[0] != key:
                if self._clock() > ends:
                    continue
                known = self._known[path] = key, outline(path, text)
            if known[1] is not None:
                found[path] = known[1]
        return found


def _candidates(files: Iterable[str], focus: Collection[str]) -> list[str]:
    """Source files, those in focus first, then the shallow before the deep."""
    source = (
        path for path in files if has_outline(path) and not _OUTSIDERS & set(path.split("/")[:-1])
    )
    return sorted(source, key=lambda path: (path not in focus, path.count("/"), path))


def _is_test(item: Ranked) -> bool:
    return is_test_path(item.path)


def _fitting(
    ranked: Sequence[Ranked],
    outlines: Mapping[str, Outline],
    budget_tokens: int,
    count: Callable[[str], int],
) -> list[tuple[str, int]]:
    """The places of the first definitions that fit, each with the classes around it."""
    chosen: dict[tuple[str, int], None] = {}
    paths: set[str] = set()
    for item in ranked:
        definitions = outlines[item.path].definitions
        new = [
            (item.path, index)
            for index in (*_around(definitions, item.index), item.index)
            if (item.path, index) not in chosen
        ]
        cost = sum(count(_line(definitions[index])) for _, index in new)
        cost += count(f"{item.path}\n") if item.path not in paths else 0
        if cost > budget_tokens:
            break
        budget_tokens -= cost
        paths.add(item.path)
        chosen.update(dict.fromkeys(new))
    return list(chosen)


def _around(definitions: Sequence[Definition], index: int) -> list[int]:
    """The places of the classes that a definition stands in, the outermost first."""
    depth = definitions[index].depth
    around: list[int] = []
    for place in range(index - 1, -1, -1):
        if definitions[place].depth < depth:
            depth = definitions[place].depth
            around.append(place)
    return around[::-1]


def _line(definition: Definition) -> str:
    shown = definition.fields[:_MOST_FIELDS]
    more = ", ..." if len(definition.fields) > len(shown) else ""
    fields = f"  # has {', '.join(shown)}{more}" if shown else ""
    return f"{'  ' * (definition.depth + 1)}{definition.signature}{fields}\n"


def _drawn(chosen: Sequence[tuple[str, int]], outlines: Mapping[str, Outline]) -> str:
    lines: list[str] = []
    for path in dict.fromkeys(path for path, _ in chosen):
        lines.append(path)
        definitions = outlines[path].definitions
        own = sorted(index for place, index in chosen if place == path)
        lines += [_line(definitions[index]).rstrip("\n") for index in own]
    return "\n".join(lines)
