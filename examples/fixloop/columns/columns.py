"""Plain text tables and paragraphs."""

import textwrap


def widths(rows):
    """The width of each column, as wide as its widest cell."""
    return [max(len(str(cell)) for cell in column) for column in zip(*rows)]


def align(cell, width, side="left"):
    """A cell padded to a width."""
    text = str(cell)
    return text.ljust(width) if side == "left" else text.rjust(width)


def table(rows, gap=2):
    """Rows as aligned lines; numbers go to the right."""
    sizes = widths(rows)
    lines = []
    for row in rows:
        cells = []
        for cell, size in zip(row, sizes):
            side = "right" if isinstance(cell, (int, float)) else "left"
            cells.append(align(cell, size, side))
        lines.append((" " * gap).join(cells).rstrip())
    return "\n".join(lines)


def paragraph(text, width=40, indent=0):
    """Text broken into lines of at most a width, indented."""
    prefix = " " * indent
    return textwrap.fill(text, width=width, initial_indent=prefix, subsequent_indent=prefix)


def shorten(text, limit):
    """Text of at most `limit` characters; what is cut off shows as three dots."""
    if len(text) <= limit:
        return text
    return text[: limit - 3] + "..."
