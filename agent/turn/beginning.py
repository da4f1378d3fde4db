"""The beginning of a reply, which stands already when the model writes the rest."""

from __future__ import annotations

from dataclasses import dataclass

_HEADS = ("def ", "async def ", "class ")
_CLOSES = (")", "]", "}", "```")


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """How a reply begins: the path of its file, a fence, and the first lines of a definition."""

    text: str
    alone: bool = True
    """True if the reply ends with that definition: what a small model writes behind it, nobody asked for."""

    def is_said_again(self, rest: str) -> bool:
        """True if a server took the beginning for a message of its own, so that the model begins anew."""
        return rest.lstrip().startswith(("```", self.text.split("\n")[0]))

    def end_in(self, heard: str) -> int | None:
        """The place in a reply where that definition has ended; None while it has not, or others may follow."""
        heads = [line for line in self.text.split("\n") if line.lstrip().startswith(_HEADS)]
        if not self.alone or not heads or self.is_said_again(heard[len(self.text) :]):
            return None
        depth = _indent(heads[-1])
        place = self.text.rfind("\n") + 1
        for number, line in enumerate(heard[place:].split("\n")[:-1]):
            goes_on = number == 0 and not self.text.endswith("\n")
            is_outside = line.strip() and _indent(line) <= depth
            if is_outside and not goes_on and not line.lstrip().startswith(_CLOSES):
                return place
            place += len(line) + 1
        return None


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
