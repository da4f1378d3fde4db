"""Turns a remark with a wish behind it into the order that it is: `f has no tests, write some`.

What reads requests, the model among it, finds the verb and the thing in their usual places then.
"""

from __future__ import annotations

import re

_THING = (
    r"(?:(?:any|a|good|proper|some|unit)\s+)*"
    r"(?:tests?|docstrings?|docs|type[ -]?hints?|type annotations?|annotations?|comments?)"
)
_SUBJECT = r"(?:the )?[\w./`-]+(?:\(\))?(?: in [\w./-]+)?"
_REMARK = (
    rf"(?P<lacking>{_SUBJECT}) (?:still )?(?:has|have|had|lacks?|misses|miss|is missing|are missing)(?: got)?"
    rf" (?:no )?(?P<things>{_THING})"
    rf"|(?:there (?:is|are|were) )?(?:still )?no (?P<none>{_THING}) (?:for|in|of|on) (?P<of>{_SUBJECT})"
    rf"|(?P<untested>{_SUBJECT}) (?:is|are)(?: still)?(?: untested|(?: not|n't) (?:\w+ )?tested)"
    rf"|(?P<unsaid>{_SUBJECT}) (?:is|are)(?: still)?(?: undocumented|(?: not|n't) (?:\w+ )?documented)"
)
_WISH = (
    r"(?:and |so |then )*(?:please |pls |can you |could you |would you |will you )*(?:please )?"
    r"(?P<verb>add|create|generate|make|provide|put in|write) (?:me )?"
    r"(?:a few|it|one|some|that|them|these|those)(?: for (?:it|me|them|us)| in| there)?(?: please| pls| thanks)?"
)
_BOTH = re.compile(
    rf"^(?:{_REMARK})(?: yet| at all| so far| still| now)*\s*[,.;:!-]+\s*{_WISH}[\s.!?]*$",
    re.IGNORECASE,
)
_NEEDS = re.compile(
    rf"^(?P<subject>{_SUBJECT}) (?:needs?|could use|should have|must have) (?P<things>{_THING})[\s.!]*$",
    re.IGNORECASE,
)


def as_order(text: str) -> str:
    """The order that a remark with its wish stands for; any other message as it is."""
    said = " ".join(text.split())
    if found := _NEEDS.match(said):
        return _order("add", found["things"], found["subject"])
    found = _BOTH.match(said)
    if found is None:
        return text
    things = found["things"] or found["none"] or ("docstrings" if found["unsaid"] else "tests")
    subject = found["lacking"] or found["of"] or found["untested"] or found["unsaid"]
    return _order(found["verb"].lower(), things, subject)


def _order(verb: str, things: str, subject: str) -> str:
    bare = re.sub(r"^(?:(?:any|some)\s+)+", "", things, flags=re.IGNORECASE)
    return f"{verb} {bare} {'for' if 'test' in bare.lower() else 'to'} {subject}"
