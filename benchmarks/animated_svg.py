"""Makes one self-contained, animated SVG of a cast: few frames, no script, no font and no file besides.

Lines that several frames share are drawn once. Waits are shortened and say how long they were; a clock
below shows the real time. pyte keeps the screen; termtosvg, which does the same, is not maintained.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from benchmarks.terminal_cast import Cast, Screen

_WIDTH, _HEIGHT, _SIZE = 8.4, 18, 14
_TOP, _BOTTOM, _SIDE = 10, 30, 10
_BACKGROUND, _TEXT, _DIM = "#121212", "#e0e0e0", "#9a9a9a"
_LONGEST_S = 3.0
"""A wait of more is shortened."""
_WAIT_S = 2.0
_LAST_S = 4.0
_TWO_BLANKS = "\N{NO-BREAK SPACE}" * 2
"""Several blanks are one in XML, whatever the style says to some viewers."""
_STEPS_S = (0.2, 0.3, 0.5, 0.8, 1.2, 2.0)
"""Least times of a frame: the first with which the picture is small enough is taken."""
_COLOURS = {
    "black": "#1c1c1c", "red": "#d75f5f", "green": "#5faf5f", "brown": "#d7af5f", "blue": "#5f87d7",
    "magenta": "#af5faf", "cyan": "#5fafaf", "white": "#d0d0d0", "brightblack": "#808080",
    "brightred": "#ff8787", "brightgreen": "#87d787", "brightbrown": "#ffd787",
    "brightblue": "#87afff", "brightmagenta": "#d787d7", "brightcyan": "#87d7d7",
    "brightwhite": "#ffffff",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Run:
    """Characters of one look, beginning in a column."""

    column: int
    text: str
    colour: str
    background: str
    bold: bool
    underlined: bool


_Line = tuple[Run, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One picture of the screen."""

    at_s: float
    """Real time since the start at which it was first seen."""
    lines: tuple[_Line, ...]
    shown_s: float = 0.0
    waited_s: float = 0.0
    """The real time for which it stood; 0 unless that is longer than it is shown."""


def animated(cast: Cast, *, caption: str, most_bytes: int = 300_000) -> str:
    """The cast as SVG of at most so many bytes.

    Raises:
        ValueError: If even the fewest frames take more.
    """
    for step_s in _STEPS_S:
        svg = _drawn(cast, frames(cast, step_s=step_s), caption)
        if len(svg.encode()) <= most_bytes:
            return svg
    raise ValueError(f"the picture takes more than {most_bytes} bytes; record a shorter session")


def frames(cast: Cast, *, step_s: float) -> list[Frame]:
    """Pictures that differ in more than figures and symbols, with the time that each is shown."""
    seen = [frame for frame in _seen(cast, step_s) if any(frame.lines)]
    ends = [frame.at_s for frame in seen[1:]] + [cast.events[-1][0] if cast.events else 0.0]
    kept: list[Frame] = []
    begun = 0.0
    for frame, end in zip(seen, ends, strict=True):
        if kept and _words(kept[-1]) == _words(frame):
            # Only a counter went on: the last picture of a wait stands for all of it.
            kept[-1] = _timed(frame.at_s, frame.lines, begun, end)
        else:
            begun = frame.at_s
            kept.append(_timed(frame.at_s, frame.lines, begun, end))
    return kept


def _timed(at_s: float, lines: tuple[_Line, ...], begun: float, end: float) -> Frame:
    stood = end - begun
    waited = stood if stood > _LONGEST_S else 0.0
    return Frame(at_s=at_s, lines=lines, shown_s=_WAIT_S if waited else stood, waited_s=waited)


def _words(frame: Frame) -> str:
    text = "\n".join("".join(run.text for run in line) for line in frame.lines)
    return re.sub(r"[^A-Za-z\n]+", " ", text)


def _seen(cast: Cast, step_s: float) -> Iterator[Frame]:
    """The screen at the end of each burst of output."""
    screen = Screen(cast.columns, cast.rows)
    first = 0.0
    for number, (at, text) in enumerate(cast.events):
        if number and at - first >= step_s:
            yield Frame(at_s=first, lines=_lines(screen))
            first = at
        screen.feed(text)
    yield Frame(at_s=first, lines=_lines(screen))


def _lines(screen: Screen) -> tuple[_Line, ...]:
    return tuple(_runs(screen, row) for row in range(screen.cells.lines))


def _runs(screen: Screen, row: int) -> _Line:
    cells = screen.cells.buffer[row]
    found: list[Run] = []
    for column in range(screen.cells.columns):
        cell = cells[column]
        if not cell.data:  # the second half of a wide character
            continue
        front, back = _colour(cell.fg, _TEXT), _colour(cell.bg, "")
        if cell.reverse:
            front, back = back or _BACKGROUND, front
        run = Run(column, cell.data, front, back, cell.bold, cell.underscore)
        last = found[-1] if found else None
        if last is not None and _joins(last, run):
            found[-1] = Run(
                last.column, last.text + run.text, last.colour, back, run.bold, run.underlined
            )
        else:
            found.append(run)
    return tuple(run for run in found if run.text.strip() or run.background)


def _joins(last: Run, run: Run) -> bool:
    """True if a cell continues a run; a blank has no colour of its own."""
    same = (last.background, last.bold, last.underlined) == (
        run.background,
        run.bold,
        run.underlined,
    )
    beside = last.column + len(last.text) == run.column
    return same and beside and (last.colour == run.colour or run.text == " ")


def _colour(name: str, default: str) -> str:
    if name == "default":
        return default
    return _COLOURS.get(name, f"#{name}")


def _drawn(cast: Cast, shown: Sequence[Frame], caption: str) -> str:
    width = round(cast.columns * _WIDTH + 2 * _SIDE)
    height = cast.rows * _HEIGHT + _TOP + _BOTTOM
    times = [frame.shown_s for frame in shown]
    times[-1] += _LAST_S
    total = sum(times)
    names: dict[_Line, str] = {}
    pictures = [_picture(cast, frame, number * width, names) for number, frame in enumerate(shown)]
    starts = [sum(times[:number]) for number in range(len(times))]
    keys = "".join(
        f"{100 * start / total:.3f}%{{transform:translateX({-number * width}px)}}"
        for number, start in enumerate(starts)
    )
    last = -(len(shown) - 1) * width
    style = (
        f"text{{font:{_SIZE}px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;"
        f"}}.b{{font-weight:700}}.u{{text-decoration:underline}}.c{{fill:{_DIM}}}"
        f"@keyframes p{{{keys}100%{{transform:translateX({last}px)}}}}"
        f"#f{{animation:p {total:.1f}s steps(1,end) infinite}}"
        f"@media (prefers-reduced-motion:reduce){{#f{{animation:none;transform:translateX({last}px)}}}}"
    )
    lines = "".join(f'<g id="{name}">{_line(line)}</g>' for line, name in names.items())
    foot = height - 10
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}"'
        f' height="{height}" role="img"><title>{escape(cast.title)}</title><style>{style}</style>'
        f"<defs>{lines}</defs>"
        f'<rect width="{width}" height="{height}" rx="6" fill="{_BACKGROUND}"/>'
        f'<text class="c" x="{_SIDE}" y="{foot}">{escape(caption)}</text>'
        f'<g id="f">{"".join(pictures)}</g></svg>\n'
    )


def _picture(cast: Cast, frame: Frame, x: int, names: dict[_Line, str]) -> str:
    """One frame, which refers to the lines that it shares with others; new ones get a name."""
    uses = []
    for row, line in enumerate(frame.lines):
        if line:
            name = names.setdefault(line, f"l{len(names)}")
            uses.append(f'<use href="#{name}" y="{row * _HEIGHT}"/>')
    wait = f"» waited {_clock(frame.waited_s)}   " if frame.waited_s else ""
    right = round(cast.columns * _WIDTH + _SIDE)
    foot = cast.rows * _HEIGHT + _BOTTOM - 10
    return (
        f'<g transform="translate({x + _SIDE},{_TOP})">{"".join(uses)}'
        f'<text class="c" x="{right - _SIDE}" y="{foot}" text-anchor="end">'
        f"{wait}{_clock(frame.at_s)}</text></g>"
    )


def _line(line: _Line) -> str:
    return "".join(map(_run, line))


def _run(run: Run) -> str:
    x, width = run.column * _WIDTH, len(run.text) * _WIDTH
    drawn = ""
    if run.background:
        drawn = (
            f'<rect x="{x:.1f}" width="{width:.1f}" height="{_HEIGHT}" fill="{run.background}"/>'
        )
    text = run.text.rstrip()
    if not text.strip():
        return drawn
    indent = len(text) - len(text.lstrip())
    text, x = text.lstrip(), x + indent * _WIDTH
    kept = text.replace("  ", _TWO_BLANKS)
    marks = " ".join(mark for mark, on in (("b", run.bold), ("u", run.underlined)) if on)
    marked = f' class="{marks}"' if marks else ""
    return drawn + (
        f'<text{marked} x="{x:.1f}" y="{_HEIGHT - 4}" fill="{run.colour}"'
        f' textLength="{len(text) * _WIDTH:.1f}">{escape(kept, quote=False)}</text>'
    )


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
