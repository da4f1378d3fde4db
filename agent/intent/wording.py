"""Turns a remark with a wish behind it into the order that it is: `f has no tests, write some`.

What reads requests, the model among it, finds the verb and the thing in their usual places then.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

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
    rf"^(?P<subject>{_SUBJECT}) (?:needs?|could use|should have|must have) (?P<things>{_THING})"
    r"(?: (?:for|in|on) (?:all |each |every |its |the |of )*(?:public )?(?:class(?:es)?|everything|functions?|methods?))?[\s.!]*$",
    re.IGNORECASE,
)
_BARE = re.compile(
    rf"^(?P<things>{_THING}) (?:for|in|on|to) (?P<subject>{_SUBJECT})(?: please| pls| thanks)*[\s.!]*$",
    re.IGNORECASE,
)
_BELONGS = re.compile(
    r"^(?:the )?(?:function |method |class )?(?P<subject>[\w.`]+)(?:\(\))? (?:belongs|(?:should|must) (?:be|belong|go|live|move|sit))"
    r" (?:in|into|to) (?:(?:its|own|a|an|another|the|new|module|file|separate) )*`?(?P<file>[\w./-]+\.py)`?[\s.!]*$",
    re.IGNORECASE,
)
_POLITE = (
    r"(?:(?:and|so|then|please|pls|just|let's|let us|can you|could you|would you|will you|we can|you can|i'd|i would"
    r"|we should|you should)\s+)*"
)
_IT = r"(?:it|this|that|them)"
_NAME = r"[`'\"]?(?P<{0}>[A-Za-z_][\w.]*?(?:/[\w./]+)?)(?:\(\))?[`'\"]?"
_TAIL = r"(?:\s+(?:everywhere|instead|please|now|for me|too|throughout|then|in (?:all|every) files?))*[\s.!]*$"
_DELETE = re.compile(
    rf"{_POLITE}(?:(?:delete|remove|drop|kill)(?: {_IT})?|(?:throw|toss|kick|rip|take) {_IT} (?:out|away)"
    rf"|(?:throw|toss|kick|rip) (?:out|away) {_IT}|get rid of {_IT})"
    rf"(?P<tests> \(?(?:and|with) (?:all )?(?:its|the) tests?\)?)?{_TAIL}",
    re.IGNORECASE,
)
_MOVE = re.compile(rf"{_POLITE}(?:move|put) {_IT} (?P<where>(?:in)?to \S.*?){_TAIL}", re.IGNORECASE)
_RENAME = re.compile(
    rf"{_POLITE}(?:(?:re)?name {_IT} (?:in)?(?:to )?|(?P<calls>call) {_IT} |change {_IT} (?:in)?to )"
    rf"{_NAME.format('new')}(?P<tail>{_TAIL})",
    re.IGNORECASE,
)
_OF_NAMES = re.compile(
    r"\b(?:names?|named|naming|called|spell\w*|misspelled|typo|confusing|cryptic|misleading|unclear|ugly|like|hate)\b"
    r"|\b(?:everywhere|instead)\b",
    re.IGNORECASE,
)
"""Words with which `call it NAME` means a name, and no call."""
_NOT_NEEDED = re.compile(
    r"\b(?:dead|leftover|obsolete|redundant|superfluous|unnecessary|unneeded|unused|useless)\b"
    r"|(?:\b(?:dont|no|no longer|no one|nobody|not|nothing|never)|n't)\b.*\b(?:call|need|us|want)\w*",
    re.IGNORECASE,
)
"""Words that say why something can go: without them, `it` may be something else that the remark speaks of."""
_TIDY = re.compile(
    rf"{_POLITE}(?:make {_IT} (?:a (?:bit|little) )?(?:nicer|cleaner|simpler|shorter|tidier|prettier|flatter"
    rf"|more (?:readable|pythonic|idiomatic)|less (?:nested|ugly|convoluted))|(?:clean|tidy) (?:up {_IT}|{_IT} up)"
    rf"|(?:simplify|flatten|tidy) {_IT}){_TAIL}",
    re.IGNORECASE,
)
_PARTS = re.compile(r"(?:(?<=[.;!?])|,|\s-)\s+|\s+so\s+")
_WORD = re.compile(r"(?<![\w/-])[A-Za-z_]\w*(?:\.\w+)*")
_CLASS = re.compile(
    r"\b(?:in|of|on|from)\s+(?:the\s+)?(?:class\s+)?`?(?P<name>[A-Z]\w*)`?(?![\w./])"
)
_FILE = re.compile(
    r"\b(?:in|into|of|from)\s+(?:the\s+)?(?:file\s+|module\s+)?`?(?P<name>[\w./-]+\.py)\b"
)


def as_order(text: str, named: Callable[[Collection[str]], Collection[str]] = lambda _: ()) -> str:
    """The order that a remark with its wish stands for; any other message as it is.

    `named` gives those of some words that are names in the project: they tell what `it` means.
    """
    said = " ".join(text.split())
    found = _NEEDS.match(said) or _BARE.match(said)
    if found and not re.fullmatch(_IT, found["subject"], re.IGNORECASE):
        return _order("add", found["things"], found["subject"])
    if found := _BELONGS.match(said):
        return f"move {found['subject']} to {found['file']}"
    if (found := _BOTH.match(said)) is None:
        return _refactoring(said, named) or text
    things = found["things"] or found["none"] or ("docstrings" if found["unsaid"] else "tests")
    subject = found["lacking"] or found["of"] or found["untested"] or found["unsaid"]
    return _order(found["verb"].lower(), things, subject)


def _refactoring(said: str, named: Callable[[Collection[str]], Collection[str]]) -> str:
    """The rename, move or deletion of what a remark speaks of; empty if it speaks of none, or of several."""
    *remark, wish = _PARTS.split(said)
    before = ", ".join(remark)
    orders = ((kind, form.match(wish)) for kind, form in _FORMS.items())
    kind, order = next(((k, found) for k, found in orders if found), ("", None))
    if order is None or not before or "?" in before:
        return ""
    if order.groupdict().get("calls") and not _OF_NAMES.search(f"{before} {order['tail']}"):
        return ""
    if kind == "delete" and not _NOT_NEEDED.search(before):
        return ""
    holder, file = _CLASS.search(before), _FILE.search(before)
    around = {found["name"] for found in (holder, file) if found}
    words = [word for word in _WORD.findall(before) if word not in around]
    names = sorted(set(named(words)))
    if len(names) != 1:
        return ""
    what = " in ".join([names[0], *(found["name"] for found in (holder, file) if found)])
    if kind in ("delete", "simplify"):
        return f"{kind} {what}" + (" and its tests" if order.groupdict().get("tests") else "")
    return f"move {what} {order['where']}" if kind == "move" else f"rename {what} to {order['new']}"


_FORMS = {"delete": _DELETE, "simplify": _TIDY, "move": _MOVE, "rename": _RENAME}


def _order(verb: str, things: str, subject: str) -> str:
    bare = re.sub(r"^(?:(?:any|some)\s+)+", "", things, flags=re.IGNORECASE)
    return f"{verb} {bare} {'for' if 'test' in bare.lower() else 'to'} {subject}"
