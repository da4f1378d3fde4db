from intervals.sets import gaps, merge, total
from intervals.span import Span

__all__ = ["Span", "gaps", "merge", "total"]
