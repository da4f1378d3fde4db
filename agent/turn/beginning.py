"""The beginning of a reply, which stands already when the model writes the rest."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

from agent.editing.python_source import parse_python

_HEADS = ("def ", "async def ", "class ")
_GOES_ON = (")", "]", "}", "```", "#")
"""Lines that end no definition, whatever their indent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """The first lines of a reply: the path of its file, a fence, and the head of a definition."""

    text: str
    alone: bool = True
    """True if the reply ends with that definition: what a small model writes behind it, nobody asked for."""

    def is_said_again(self, rest: str) -> bool:
        """True if a server took the beginning for a message of its own, so that the model begins anew."""
        return rest.lstrip().startswith(("```", self.text.split("\n", maxsplit=1)[0]))

    def end_in(self, heard: str) -> int | None:
        """The place in a reply where that definition has ended; None while it has not, or others may follow.

        It ends before a line of code that is not indented more than its first one, once what stands above parses.
        """
        heads = [line for line in self.text.split("\n") if line.lstrip().startswith(_HEADS)]
        if not self.alone or not heads or self.is_said_again(heard[len(self.text) :]):
            return None
        begins = self.text.index(heads[0])
        place = self.text.rfind("\n") + 1
        for number, line in enumerate(heard[place:].split("\n")[:-1]):
            goes_on = number == 0 and not self.text.endswith("\n")
            is_outside = line.strip() and _indent(line) <= _indent(heads[0])
            if is_outside and not goes_on and not line.lstrip().startswith(_GOES_ON):
                above = textwrap.dedent(heard[begins:place])
                if parse_python(above) is not None:
                    return place
            place += len(line) + 1
        return None


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
