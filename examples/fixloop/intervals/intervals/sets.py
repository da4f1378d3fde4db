"""Sets of spans."""

from intervals.span import Span


def merge(spans):
    """The same numbers in as few spans as possible, in order."""
    merged = []
    for span in sorted(spans):
        if merged and merged[-1].touches(span):
            last = merged.pop()
            span = Span(last.start, max(last.end, span.end))
        merged.append(span)
    return merged


def gaps(spans):
    """The spans between the given ones."""
    merged = merge(spans)
    return [Span(left.end, right.start) for left, right in zip(merged, merged[1:])]


def total(spans):
    """How many numbers are covered, each counted once."""
    return sum(len(span) for span in merge(spans))
