"""Turns a remark with a wish behind it into the order that it is: `f has no tests, write some`.

What reads requests, the model among it, finds the verb and the thing in their usual places then.
"""

from __future__ import annotations

import builtins
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

_THING = (
    r"(?:(?:any|a|good|proper|some|unit)\s+)*"
    r"(?:tests?|docstrings?|docs|type[ -]?hints?|type annotations?|annotations?|comments?)"
)
_SUBJECT = r"(?:the )?[\w./`-]+(?:\(\))?(?: in [\w./-]+)?"
_REMARK = (
    rf"(?P<lacking>{_SUBJECT}) (?:still )?(?:has|have|had|lacks?|misses|miss|is missing|are missing)(?: got)?"
    rf" (?:no )?(?P<things>{_THING})"
    rf"|(?:there(?:'s| is|s| are| were) )?(?:still )?no (?P<none>{_THING}) (?:for|in|of|on) (?P<of>{_SUBJECT})"
    rf"|(?P<untested>{_SUBJECT}) (?:is|are)(?: still)?(?: untested|(?: not|n't) (?:\w+ )?tested)"
    rf"|(?P<unsaid>{_SUBJECT}) (?:is|are)(?: still)?(?: undocumented|(?: not|n't) (?:\w+ )?documented)"
)
_WISH = (
    r"(?:and |so |then )*(?:please |pls |can you |could you |would you |will you )*(?:please )?"
    r"(?:(?P<verb>add|create|generate|make|provide|put in|write)|(?:would you )?mind (?P<gerund>adding|creating|writing)) (?:me )?"
    r"(?:a few|it|one|some|that|them|these|those)(?: for (?:it|me|them|us)| in| there)?(?: please| pls| thanks)?"
)
_VERBS = {"adding": "add", "creating": "create", "writing": "write"}
_BOTH = re.compile(
    rf"^(?:(?:hello|hey|hi)\b(?: there| all)?[\s,.!]*)?(?:{_REMARK})(?: yet| at all| so far| still| now)*"
    rf"\s*[,.;:!-]+\s*{_WISH}(?:[\s.!?]*$|[.!?]+\s+(?P<more>.+))",
    re.IGNORECASE,
)
_NEEDS = re.compile(
    rf"^(?P<subject>{_SUBJECT}) (?:needs?|could use|should have|must have) (?P<things>{_THING})"
    r"(?: (?:for|in|on) (?:all |each |every |its |the |of )*(?:public )?(?:class(?:es)?|everything|functions?|methods?))?[\s.!]*$",
    re.IGNORECASE,
)
_BARE = re.compile(
    rf"^(?P<things>{_THING}) (?:for|in|on|to) "
    r"(?:(?:all|each|every|the) )*(?:(?:public )?(?:class(?:es)?|functions?|methods?|definitions?) (?:in|of) )?"
    rf"(?P<subject>{_SUBJECT})(?:,? (?:please|pls|thanks|nothing else|no(?:thing)? (?:other changes|more)|that'?s (?:all|it)))*[\s.!]*$",
    re.IGNORECASE,
)
_BELONGS = re.compile(
    r"^(?:the )?(?:function |method |class )?(?P<subject>[\w.`]+)(?:\(\))? (?:belongs|(?:should|must) (?:be|belong|go|live|move|sit))"
    r" (?:in|into|to) (?:(?:its|own|a|an|another|the|new|module|file|separate) )*`?(?P<file>[\w./-]+\.py)`?[\s.!]*$",
    re.IGNORECASE,
)
_LIVES = re.compile(
    r"^(?:the )?(?:function |method |class |helper |constant )?`?(?P<subject>[A-Za-z_]\w*)`?(?:\(\))? is (?:only|just)(?: ever)? (?:called|needed|used)"
    r" (?:by|from|in) `?(?P<file>[\w./-]+\.py)`?"
    r"(?:\s*[,;.-]+\s*(?:so\s+)?why (?:does it live|is it)(?: in `?(?P<from>[\w./-]+\.py)`?| here| there)?)?\s*[?.,;!-]+\s*"
    r"(?:(?:so|then|please|pls|can you|could you|let's)\s+)*(?:move|put) it (?:over(?: there)?|there|to it)"
    r"(?:\s+(?:please|pls|then))*(?:\s*[,;.]?\s*(?:and )?(?:adjust|fix|mind|update) the imports(?: too)?)?[\s.!]*$",
    re.IGNORECASE,
)
_POLITE = (
    r"(?:(?:and|so|then|please|pls|just|let's|let us|can you|could you|would you|will you|we can|you can|i'd|i would"
    r"|we should|you should)\s+)*"
)
_IT = r"(?:it|this|that|them)"
_TAIL = r"(?:\s+(?:everywhere|instead|please|now|for me|too|throughout|then|in (?:all|every) files?))*[\s.!]*$"
_OF = (
    r"(?:the )?(?:function |method |class |field |attribute |constant |helper )?(?:name )?(?:of )?"
    r"`?(?P<name>[A-Za-z_]\w*(?:\.\w+)*)`?(?:\(\))?"
    r"(?: (?:in|of|from) (?:the )?(?:class |file |module )?`?(?P<where>[\w./-]*\w)`?)?"
)
_LATELY = (
    r"(?: (?:any ?more|anywhere|any longer|at all|here|now|really|yet|afaics?|afaik|imo|i (?:believe|guess|think)"
    r"|it seems|as far as i (?:can (?:see|tell)|know)))*"
)
_BAD = r"(?:awful|bad|confusing|cryptic|misleading|misspelled|odd|poor|strange|terrible|too (?:long|short)|ugly|unclear|wrong)"


def _whole(*forms: str) -> re.Pattern[str]:
    return re.compile(rf"(?:{'|'.join(forms)})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Wish:
    """An order about `it`, and the remarks that say what is meant; any other remark may speak of something else."""

    order: re.Pattern[str]
    remarks: Sequence[re.Pattern[str]]


_WISHES: Mapping[str, _Wish] = {
    "delete": _Wish(
        _whole(
            rf"{_POLITE}(?:(?:delete|remove|drop|kill)(?: {_IT})?|(?:throw|toss|kick|rip|take) {_IT} (?:out|away)"
            rf"|(?:throw|toss|kick|rip) (?:out|away) {_IT}|get rid of {_IT})"
            rf"(?P<tests> \(?(?:and|with)(?: of)? (?:all )?(?:its|the) tests?\)?)?{_TAIL}"
        ),
        (
            _whole(
                rf"(?:nobody|no one|nothing|nothing else) (?:\w+ )?(?:uses|calls|needs|wants) {_OF}{_LATELY}"
            ),
            _whole(
                rf"(?:we|i|you) (?:don't|dont|do not|no longer|never) (?:\w+ )?(?:use|call|need|want) {_OF}{_LATELY}"
            ),
            _whole(
                rf"{_OF}(?: is| are|'s)(?: now| just)? (?:dead(?: code)?|obsolete|redundant|superfluous|unnecessary"
                rf"|unneeded|unused|useless|(?:not|no longer|never) (?:used|needed|called)){_LATELY}"
            ),
            _whole(rf"{_OF} (?:isn't|isnt|aren't) (?:used|needed|called){_LATELY}"),
        ),
    ),
    "rename": _Wish(
        _whole(
            rf"{_POLITE}(?:(?:re)?name {_IT} (?:in)?(?:to )?|call {_IT} |change {_IT} (?:in)?to )"
            rf"[`'\"]?(?P<new>[A-Za-z_]\w*)[`'\"]?{_TAIL}"
        ),
        (
            _whole(rf"{_OF} is (?:a|an) (?:\w+ )?name"),
            _whole(rf"(?:the )?name (?:of )?{_OF} is {_BAD}"),
            _whole(rf"{_OF} is (?:badly|poorly|wrongly|oddly) (?:named|spelled|called)"),
            _whole(rf"(?:i|we) (?:don't|dont|do not) like (?:the )?(?:\w+ )?name (?:of )?{_OF}"),
        ),
    ),
    "move": _Wish(
        _whole(
            rf"{_POLITE}(?:move|put) {_IT} (?:over )?(?:(?:out of|from) (?P<out>[\w./-]+\.py) )?(?P<where>(?:in)?to \S.*?)"
            rf"(?: \((?P<beside>[A-Za-z_]\w*) (?:as well|too)\))?{_TAIL}"
        ),
        (
            _whole(
                rf"(?!(?:nobody|no|none|nothing|never)\b)(?:(?!never|not)[\w-]+ ){{1,4}}(?:(?:will |also )*needs?|(?:is|are) going to need)"
                rf" {_OF} (?:as well|too)"
            ),
            _whole(
                rf"{_OF} (?:doesn't|doesnt|does not) (?:really )?belong (?:here|there|in(?:to)? (?P<from>[\w./-]*\w))"
            ),
            _whole(rf"{_OF} has no place (?:here|there|in (?P<from>[\w./-]*\w))"),
            _whole(rf"{_OF} is in the wrong (?:file|module|place)"),
        ),
    ),
    "simplify": _Wish(
        _whole(
            rf"{_POLITE}(?:make {_IT} (?:a (?:bit|little) )?(?:nicer|cleaner|simpler|shorter|tidier|prettier|flatter"
            rf"|more (?:readable|pythonic|idiomatic)|less (?:nested|ugly|convoluted))|(?:clean|tidy) (?:up {_IT}|{_IT} up)"
            rf"|(?:simplify|flatten|tidy) {_IT}){_TAIL}"
        ),
        (
            _whole(
                rf"{_OF} is (?:(?:so|too|very|really|quite|pretty|a bit|way too) )*(?:a mess|complicated|convoluted|hard to read"
                r"|long|messy|nested|ugly|unreadable|verbose)(?: with [\w ]+)?"
            ),
        ),
    ),
}
_ARROW = re.compile(
    r"(?P<asks>(?:(?:rename|please|pls)[:,]?\s+)*)`?(?P<old>[A-Za-z_]\w*)`?(?:\(\))?\s*(?:->|=>|→)\s*`?(?P<new>[A-Za-z_]\w*)`?(?P<called>\(\))?"
    r"(?P<all>(?:[\s,]+(?:everywhere|throughout|(?:in|across|over) (?:the|all|every) (?:\w+ )?(?:code ?base|code|files?|project|repo)))*)"
    r"(?:[\s,]+(?:please|pls|thanks|thx))*[\s.!]*",
    re.IGNORECASE,
)
"""A rename as an arrow: `billable() -> billable_weight() everywhere`."""
FURTHER_WISH = re.compile(
    r"(?:(?:and|then|also|please)\s+)*(?:give (?:it|[\w.]+)|add|write|create)\s+(?:an? |some |the )*(?:unit )?"
    r"(?:docstrings?|tests?|(?:type )?hints)(?:\s+(?:for|to)\s+(?:it|[\w.]+))?[\s.!]*",
    re.IGNORECASE,
)
"""A wish behind a refactoring that is done after it."""
_LONGEST = 400
"""Characters of a message that is read as a remark with its wish."""
_SO = re.compile(r"so\s+", re.IGNORECASE)
_CAUSE = re.compile(
    r"(?:we|they|i|the [\w-]+)(?:'ve| have| has)? (?!(?:need|want|wish)\w*\b)(?:(?!(?:after|except|if|in|leave|not|once|only|unless|until"
    r"|when|without)\b)[\w'-]+ ?){1,6}",
    re.IGNORECASE,
)
"""The cause of what a remark says, in a few words: `we left the UK, so X is dead code`."""
_PARTS = re.compile(r"(?:(?<=[.;!?])|,|\s-)\s+|\s+so\s+")
Named = Callable[[Collection[str]], Collection[str]]
"""Gives those of some words that are names in the project."""


def as_order(text: str, named: Named = lambda _: ()) -> str:
    """The order that a remark with its wish stands for; any other message as it is.

    Only remarks about one thing that the project has, a name or a file, and in so many words.
    """
    said = " ".join(text.split())
    if found := _NEEDS.match(said) or _BARE.match(said):
        order = _order("add", found["things"], found["subject"])
        return order if _is_there(found["subject"], named) else text
    if (found := _BOTH.match(said)) is None:
        return _moved(said, named) or _refactoring(said, named) or text
    things = found["things"] or found["none"] or ("docstrings" if found["unsaid"] else "tests")
    subject = found["lacking"] or found["of"] or found["untested"] or found["unsaid"]
    if not _is_there(subject, named):
        return text
    verb = found["verb"].lower() if found["verb"] else _VERBS[found["gerund"].lower()]
    return f"{_order(verb, things, subject)}. {found['more'] or ''}".removesuffix(". ")


def _moved(said: str, named: Named) -> str:
    """The rename or move that closed forms ask for: `a() -> b()`, `a belongs into b.py`; empty for any other message."""
    if found := _ARROW.fullmatch(said):
        old, new = found["old"], found["new"]
        asks = "rename" in found["asks"].lower() or found["called"] or found["all"]
        is_value = hasattr(builtins, new) or new.endswith(("Error", "Exception"))
        there = old in named([old]) and not named([new])
        return f"rename {old} to {new}" if asks and there and not is_value else ""
    if found := _BELONGS.match(said):
        there = _is_there(found["subject"], named) and not _FILE.match(found["subject"])
        return f"move {found['subject']} to {found['file']}" if there else ""
    if found := _LIVES.match(said):
        out = f" in {found['from']}" if found["from"] else ""
        there = found["subject"] in named([found["subject"]])
        return f"move {found['subject']}{out} to {found['file']}" if there else ""
    return ""


_FILE = re.compile(r"[\w./-]*\w\.[A-Za-z]\w{0,4}$|[\w./-]+/$")


def _is_there(subject: str, named: Named) -> bool:
    """True if the first word of a subject is a name of the project, or looks like a file."""
    first = subject.removeprefix("the ").split(" ")[0].strip("`").removesuffix("()")
    return _FILE.match(first) is not None or first in named([first])


def _refactoring(said: str, named: Named) -> str:
    """The rename, move, deletion or simplification of what a remark speaks of; empty if that is in any doubt."""
    if "?" in said or len(said) > _LONGEST:
        return ""
    parts = _PARTS.split(said)
    cause = parts[0].strip(" .,;")
    if _SO.match(parts[min(1, len(parts) - 1)]) and _CAUSE.fullmatch(cause):
        parts = parts if named(cause.split()) else parts[1:]
    if len(parts) < 2:  # noqa: PLR2004 - the remark, and the wish
        return ""
    return _of_remark(parts[0], parts[1], " ".join(parts[2:]), named)


def _of_remark(said: str, wish: str, more: str, named: Named) -> str:
    """The order that a remark, the wish behind it and what follows stand for; empty if that is in any doubt."""
    if more and not FURTHER_WISH.fullmatch(more):
        return ""
    remark = _SO.sub("", said.strip(" .,;:!"))
    for kind, forms in _WISHES.items():
        order = forms.order.fullmatch(wish)
        about = next((a for form in forms.remarks if (a := form.fullmatch(remark))), None)
        if order is None or about is None or about["name"] not in named([about["name"]]):
            continue
        if more and kind != "rename":
            continue
        places = (about["where"], about.groupdict().get("from"), order.groupdict().get("out"))
        beside = order.groupdict().get("beside")
        if beside and beside not in named([beside]):
            continue
        both = f"{about['name']} and {beside}" if beside else about["name"]
        what = " in ".join([both, *filter(None, places)])
        if kind in ("delete", "simplify"):
            return f"{kind} {what}" + (" and its tests" if order.groupdict().get("tests") else "")
        return (
            f"move {what} {order['where']}"
            if kind == "move"
            else f"rename {what} to {order['new']}. {more}".removesuffix(". ")
        )
    return ""


def _order(verb: str, things: str, subject: str) -> str:
    bare = re.sub(r"^(?:(?:any|some)\s+)+", "", things, flags=re.IGNORECASE)
    return f"{verb} {bare} {'for' if 'test' in bare.lower() else 'to'} {subject}"
