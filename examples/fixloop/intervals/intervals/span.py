"""A half-open range of whole numbers: the end is not part of it."""

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Span:
    start: int
    end: int

    def __len__(self):
        return self.end - self.start

    def __contains__(self, number):
        return self.start <= number < self.end

    def touches(self, other):
        """Whether the two overlap or stand side by side."""
        return self.start <= other.end and other.start <= self.end

    def clamp(self, number):
        """The number of the span that is nearest to a number."""
        return min(max(number, self.start), self.end - 1)
