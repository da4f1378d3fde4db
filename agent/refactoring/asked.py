"""Reads a rename, a move or a deletion from the words of a request."""

from __future__ import annotations

import re
from dataclasses import dataclass

_KIND = r"(?:the\s+)?(?:(?:old|unused|global|local)\s+)?(?:function|method|class|variable|module|file|constant|attribute|field|property|parameter|argument|test|helper)?(?:\s+name)?\s*"
NAME = r"[`'\"]?(?P<{0}>[A-Za-z_][\w.]*?(?:/[\w./]+)?)(?:\(\))?[`'\"]?"
IN_FILE = r"(?:\s+(?:in|from|out\s+of|of)\s+(?:the\s+)?(?:file\s+|module\s+)?[`'\"@]?(?P<{0}>[\w./-]+\.py)[`'\"]?)?"
_CLASS = r"(?:\s+(?:in|from|of|on)\s+(?:the\s+)?(?:class\s+)?[`'\"]?(?P<{0}>(?-i:[A-Z])\w*)[`'\"]?(?![\w./]))?"
_END = r"(?=[.!?,;:)]*(?:\s|$))"
_RENAMES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\b(?:rename|change the name of)\s+{_KIND}{NAME.format('old')}{_CLASS.format('holder')}"
        rf"{IN_FILE.format('file')}\s+(?:to|into|as)\s+"
        rf"{NAME.format('new')}{IN_FILE.format('late')}{_END}",
        rf"\bcall\s+(?:it|this|that)\s+{NAME.format('new')}\s+instead\s+of\s+{NAME.format('old')}{_END}",
        rf"^(?:please\s+)?{_KIND}{NAME.format('old')}{IN_FILE.format('file')}\s+(?:should|must|shall)\s+be\s+"
        rf"(?:called|named|renamed(?:\s+to)?)\s+{NAME.format('new')}{_END}",
    )
)
_MOVE = re.compile(
    rf"\bmove\s+{_KIND}{NAME.format('old')}{IN_FILE.format('file')}\s+(?:in)?to\s+(?:(?:its|a|an|the|own|new|other|module|file)\s+)*"
    rf"[`'\"@]?(?P<new>[\w./-]+\.py)[`'\"]?{_END}",
    re.IGNORECASE,
)
_REMOVE = re.compile(
    rf"^(?:please\s+|can you\s+|could you\s+)*(?:remove|delete|drop|get rid of)\s+{_KIND}{NAME.format('old')}"
    rf"{_CLASS.format('holder')}{IN_FILE.format('file')}(?P<tests>,?\s+(?:and|with)\s+(?:all\s+)?(?:its|the)\s+tests?)?"
    r"\s*(?:please)?[.!?]*$",
    re.IGNORECASE,
)
_TIDY = re.compile(
    rf"^(?:please\s+|can you\s+|could you\s+)*(?:make\s+{_KIND}{NAME.format('made')}{_CLASS.format('of_made')}{IN_FILE.format('in_made')}"
    r"\s+(?:a\s+(?:bit|little)\s+)?(?:nicer|cleaner|simpler|shorter|tidier|prettier|flatter|more\s+(?:readable|pythonic|idiomatic)"
    rf"|less\s+(?:nested|ugly|convoluted))|(?:clean\s+up|tidy(?:\s+up)?|simplify|flatten)\s+{_KIND}{NAME.format('old')}"
    rf"{_CLASS.format('holder')}{IN_FILE.format('file')})(?:\s+a\s+(?:bit|little))?\s*(?:please)?[.!?]*$",
    re.IGNORECASE,
)
_PROPERTY = re.compile(
    rf"^(?:please\s+|can you\s+|could you\s+)*(?:make|turn|convert)\s+(?:the\s+)?(?:method\s+)?{NAME.format('old')}{_CLASS.format('holder')}"
    r"\s+(?:into\s+)?a\s+property(?P<rest>.*)$"
    rf"|^{NAME.format('named')}(?:\s+(?:in|from|of|on)\s+(?:the\s+)?(?:class\s+)?[`'\"]?(?P<of>(?-i:[A-Z])\w*)[`'\"]?)?\s+"
    r"(?:should|could|ought\s+to|must)\s+(?:really\s+|rather\s+)?be\s+a\s+property(?P<more>.*)$",
    re.IGNORECASE,
)
_ASIDE = re.compile(
    r"[,;.]\s*i (?:always|keep|often) (?:confus|forget|mistyp|mix|stumbl)\w*\b[^.;,]*",
    re.IGNORECASE,
)
"""A remark of the person on themselves, which asks for nothing."""
_DATA_CLASS = re.compile(
    rf"^(?:please\s+|pls\s+|can you\s+|could you\s+)*(?:make|turn|convert)\s+(?:the\s+)?(?:class\s+)?{NAME.format('old')}{IN_FILE.format('file')}"
    r"\s+(?:in)?(?:to\s+)?a\s+data\s?class(?P<rest>.*)$",
    re.IGNORECASE,
)
_HANDWRITTEN = re.compile(
    r"(?:please|pls|so(?: that)?|and|then|,|\s|the|its|handwritten|hand-written|manual|methods?|`|can|could|should|may|(?:get |is |are )?(?:dropped|gone|removed)"
    r"|go(?: away)?|drop|remove|get rid of|we don't need|no longer need(?:ed)?|__init__|__repr__|__eq__|[.!])*",
    re.IGNORECASE,
)
"""Words behind a data class that name the methods which its decorator makes."""
LITERAL = r"(?P<{0}>\d[\d_]*(?:\.\d+)?|'[^'\n]*'|\"[^\"\n]*\")"
CONSTANT_NAME = r"(?P<{0}>(?-i:[A-Z][A-Z0-9_]*))"
_WHERE = r"(?:\s+(?:in|from|of)\s+(?:the\s+)?(?:file\s+|function\s+)?[`'\"@]?(?P<{0}>[\w./-]*\w)(?:\(\))?[`'\"]?)?"
AT_THE_TOP = (
    r"(?:\s+(?:at the (?:top|head|beginning)|on top)(?: of (?:the|that) (?:file|module))?)?"
)
_CALLED = r"(?:(?:,?\s+(?:called|named|with the name))?\s+[`'\"]?" + CONSTANT_NAME + r"[`'\"]?)?"
_CONSTANTS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"^(?:please\s+|pls\s+|can you\s+|could you\s+)*(?:make|turn|extract|pull|move)\s+(?:the\s+)?(?:magic\s+)?(?:number\s+|string\s+|literal\s+)?"
        rf"{LITERAL.format('old')}{_WHERE.format('of')}\s+(?:out\s+)?(?:in)?(?:to\s+)?a\s+(?:named\s+|module\s+)?constant"
        rf"{_CALLED.format('new')}{AT_THE_TOP}{_CALLED.format('late')}[\s.!]*(?:please|pls)?[\s.!]*$",
        rf"^(?:the\s+)?{LITERAL.format('old')}{_WHERE.format('of')}\s+is\s+(?:a|such a|another)\s+magic\s+(?:number|string|value)[\s.,;:!]+"
        rf"(?:please\s+|pls\s+|can you\s+|could you\s+|so\s+)*(?:make|turn)\s+(?:it|that)\s+(?:in)?(?:to\s+)?a\s+(?:named\s+)?constant"
        rf"{_CALLED.format('new')}{AT_THE_TOP}{_CALLED.format('late')}[\s.!]*(?:please|pls)?[\s.!]*$",
        rf"^(?:please\s+|pls\s+|can you\s+|could you\s+)*(?:use|introduce|define|add)\s+a\s+constant\s+{CONSTANT_NAME.format('new')}\s*=\s*"
        rf"{LITERAL.format('old')}{_WHERE.format('of')}\s+(?:instead of|rather than|for)\s+(?:the|its)\s+(?:magic\s+)?(?:literal|number|string|value)s?"
        r"[\s.!]*(?:please|pls)?[\s.!]*$",
    )
)
A_FILE = r"(?:the\s+)?(?:file\s+|module\s+)?[`'\"@]?(?P<{0}>[\w./-]+\.py)[`'\"]?"
_LOGS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"^(?:please\s+|pls\s+|can you\s+|could you\s+)*(?:use|switch to)\s+(?:the\s+)?(?:logging|a logger)(?:\s+module)?\s+(?:instead of|rather than|for)\s+(?:the\s+|all\s+)*"
        rf"print(?:s|ing)?(?:\s+(?:statements|calls))?(?:\(\))?\s+in\s+{A_FILE.format('old')}[\s.!]*(?:please|pls)?[\s.!]*$",
        rf"^(?:please\s+|pls\s+|can you\s+|could you\s+)*(?:replace|convert|change|turn)\s+(?:the\s+|all\s+)*print(?:s)?(?:\s+(?:statements|calls))?\s+in\s+{A_FILE.format('old')}"
        r"\s+(?:with|by|to|into)\s+(?:the\s+)?(?:logging|log messages|logger calls|a logger|logs)(?:\s+(?:calls|module))?[\s.!]*(?:please|pls)?[\s.!]*$",
        rf"^{A_FILE.format('old')}\s+(?:just\s+)?prints(?:\s+(?:all|everything|too much|so much|a lot|stuff)?(?:\s*(?:over|to|into|on) (?:my|the) (?:console|screen|terminal))?)?\s*[.,;]\s*(?:i|we)(?:'d|d| would)\s+(?:much\s+)?(?:rather|prefer to)\s+have\s+(?:it|that|them|this)\s+"
        r"(?:all\s+)?(?:go\s+)?(?:logged|(?:thru|through|to|in|into)\s+(?:the\s+)?logging(?:\s+module)?)[\s.!]*$",
    )
)
_MEANS_NO_MORE = re.compile(
    r"(?:\b(?:please|pls|kindly|now|then|ok(?:ay)?|so|just|hi|hey|hello|thanks|thank you|thx|for me|instead"
    r"|(?:can|could|would|will) you|let's|let us|go ahead and|i (?:want|need) (?:you )?to|i'd like (?:you )?to"
    r"|everywhere|throughout"
    r"|(?:no|without (?:an?|any)) (?:backwards?[- ]compat\w* )?(?:alias(?:es)?|shims?)(?: (?:for|of|to) (?:it|the old (?:one|name)))?"
    r"|(?:in|across|over|throughout) (?:the|this|my|our) (?:(?:whole|entire) )?"
    r"(?:project|code ?base|code|repo|repository)|in (?:all|every) (?:the )?files?"
    r"|(?:and )?(?:update|adjust|change|fix) (?:all )?(?:of )?(?:its |the )?(?:where it is (?:called|used)|wherever it is (?:called|used)|callers|call sites|references|usages|uses|imports)(?: accordingly| also| as well| too)?)(?!\w)|[\s.,!?;:])*",
    re.IGNORECASE,
)
"""Words that a refactoring of the whole project needs no model for: it does what they say by itself."""
_IN_TESTS_TOO = re.compile(
    r"(?:(?:and|,)\s*)?(?:incl\.?|including|with|plus) (?:the |all (?:the )?)?tests?|(?:the |all )?(?:tests?|docs) (?:included|too|as well)|(?:and|also|and also|including)(?: in)? (?:the |all (?:the )?)?tests?(?: too| as well)?"
    r"|(?:in|including) (?:the |all (?:the )?)?tests? (?:too|as well)",
    re.IGNORECASE,
)
"""Words behind a rename, which reaches the tests by itself; `in the tests` alone would limit it."""
_SAME_PACKAGE = re.compile(
    r"(?:in|inside|within) the same (?:directory|folder|package)", re.IGNORECASE
)
"""Words behind a move to a bare file name, which stays in the package by itself."""
_REASON = re.compile(
    r"(?:,|;|\.|\s-)\s*(?:(?:it'?s|it is|that'?s|they'?re)(?: now| only| really| just)*"
    r" (?:unused|dead|obsolete|redundant|not used|never (?:called|used)|clearer|shorter|better|nicer"
    r"|(?:used |needed )?(?:only )?(?:there|used|needed) (?:only )?(?:for|in|by) [\w ./]{1,30}|used only there)"
    r"|(?:because|since) (?:nobody|nothing)(?: else)? (?:calls|needs|uses) it)[\s.!]*$",
    re.IGNORECASE,
)
"""A clause at the end that says why, in so many words."""
LONGEST_OF_MORE = 400
"""Characters of a request that is read as more than one thing."""
_LONGEST_ORDER = 2_000
"""Characters of a request that may be for a refactoring at all."""
PLAIN_WORDS = frozenset(
    [
        "it",
        "this",
        "that",
        "everything",
        "all",
        "them",
        "the",
        "imports",
        "import",
        "comments",
        "comment",
        "docstrings",
        "docstring",
        "tests",
        "test",
        "prints",
        "logging",
        "whitespace",
        "duplicates",
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedRefactoring:
    """A refactoring that a request asks for in so many words."""

    kind: str
    """`rename`, `move`, `remove`, `tidy`, `property`, `dataclass`, `constant` or `log`."""
    old: str
    """The name of a definition, maybe qualified (`Order.sum`), or of a file; for `constant` a literal."""
    new: str = ""
    """The new name, or the file that the definition moves to."""
    of: str = ""
    """The function in which a literal is meant; empty for all of a file."""
    without: tuple[str, ...] = ()
    """The methods that a data class does not need any more."""
    file: str = ""
    """The file that the request names beside the name."""
    with_tests: bool = False
    """True if the tests of what is removed go, too."""
    is_guess: bool = False
    """True if `NAME of CLASS` was read as a method, which it need not be."""


def asked_refactoring(text: str) -> AskedRefactoring | None:
    """The refactoring that a request asks for; None if its words are not so clear, or ask for more."""
    if len(text) > _LONGEST_ORDER:
        return None
    said = _without_reason(text.strip())
    return next((asked for read in _READERS if (asked := read(said)) is not None), None)


def _read_move(said: str) -> AskedRefactoring | None:
    if (match := _MOVE.search(said)) is None or not _is_all(match):
        return None
    return AskedRefactoring(
        kind="move", old=match["old"], new=match["new"], file=match["file"] or ""
    )


def asked_rename(said: str) -> AskedRefactoring | None:
    """The rename that a request asks for and nothing else; None for any other."""
    for pattern in _RENAMES:
        if (match := pattern.search(said)) and _is_all(match):
            named = match.groupdict()
            file = named.get("file") or named.get("late") or ""
            old = _qualified(match["old"], named.get("holder"))
            is_guess = old != match["old"]
            return AskedRefactoring(
                kind="rename", old=old, new=match["new"], file=file, is_guess=is_guess
            )
    return None


def _read_removal(said: str) -> AskedRefactoring | None:
    if (match := _REMOVE.match(said)) is None or match["old"].lower() in PLAIN_WORDS:
        return None
    old = _qualified(match["old"], match["holder"])
    return AskedRefactoring(
        kind="remove",
        old=old,
        file=match["file"] or "",
        is_guess=old != match["old"],
        with_tests=match["tests"] is not None,
    )


def _read_property(said: str) -> AskedRefactoring | None:
    match = _PROPERTY.match(said)
    if match is None:
        return None
    rest = _ASIDE.sub("", match["rest"] or match["more"] or "")
    if not _MEANS_NO_MORE.fullmatch(rest):
        return None
    old = _qualified(match["old"] or match["named"], match["holder"] or match["of"])
    return None if old.lower() in PLAIN_WORDS else AskedRefactoring(kind="property", old=old)


def _read_data_class(said: str) -> AskedRefactoring | None:
    match = _DATA_CLASS.match(said)
    if (
        match is None
        or not _HANDWRITTEN.fullmatch(match["rest"])
        or match["old"].lower() in PLAIN_WORDS
    ):
        return None
    without = tuple(re.findall(r"__\w+__", match["rest"]))
    file = match["file"] or ""
    return AskedRefactoring(kind="dataclass", old=match["old"], file=file, without=without)


def _read_constant(said: str) -> AskedRefactoring | None:
    match = next(filter(None, (form.match(said) for form in _CONSTANTS)), None)
    if match is None:
        return None
    named = match.groupdict()
    where = named["of"] or ""
    is_file = where.endswith(".py")
    return AskedRefactoring(
        kind="constant",
        old=named["old"] or "",
        new=named.get("new") or named.get("late") or "",
        file=where if is_file else "",
        of="" if is_file else where,
    )


def _read_log(said: str) -> AskedRefactoring | None:
    match = next(filter(None, (form.match(said) for form in _LOGS)), None)
    return None if match is None else AskedRefactoring(kind="log", old=match["old"])


def _read_tidying(said: str) -> AskedRefactoring | None:
    if (match := _TIDY.match(said)) is None:
        return None
    old = match["old"] or match["made"]
    holder, file = match["holder"] or match["of_made"], match["file"] or match["in_made"]
    if old.lower() in PLAIN_WORDS:
        return None
    return AskedRefactoring(kind="tidy", old=_qualified(old, holder), file=file or "")


_READERS = (
    _read_move,
    asked_rename,
    _read_removal,
    _read_property,
    _read_data_class,
    _read_constant,
    _read_log,
    _read_tidying,
)


def _without_reason(text: str) -> str:
    """The text without a clause at its end that says why: `move f to a.py, it's only used there`."""
    reason = _REASON.search(text) if len(text) <= LONGEST_OF_MORE else None
    return text if reason is None else text[: reason.start()]


def _qualified(name: str, holder: str | None) -> str:
    return f"{holder}.{name}" if holder and "." not in name else name


def _is_all(match: re.Match[str]) -> bool:
    """True if a request names one thing to be changed, and asks for nothing beside that."""
    said = match.string
    around = (said[: match.start()], said[match.end() :])
    if match["old"].lower() in PLAIN_WORDS:
        return False
    own = _SAME_PACKAGE if match.re is _MOVE else _IN_TESTS_TOO
    return all(_MEANS_NO_MORE.fullmatch(own.sub("", part)) for part in around)
