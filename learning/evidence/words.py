"""Separates the words of the interpreter and the harness from those of the code that they ran.

A message that a frame of the project or of a dependency raised may say anything, to a model as well
as to a person. So a message is recognised by its form: the fixed words of CPython, pytest, unittest,
our judge and a few other runtimes, around names and short values. Other messages are dropped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from learning.records import Evidence, EvidenceKind

_HIDDEN = "'...'"
_QUOTED = re.compile(
    r"'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\"|`[^`\n]*`|\u2018[^\u2018\u2019\n]*\u2019"
)
_SHORT = re.compile(
    r"[\w.,:/+*@%^~()\[\]\\-]{0,40}(?: [\w.,:/+*@%^~()\[\]\\-]{1,20})?|[<>=!|&]{1,3}", re.ASCII
)
_PLACE = re.compile(r"(?:; perhaps you missed a comma\?)?(?: \([\w./<>-]{1,120}, line \d{1,7}\))?$")
_PROSE = re.compile(r"(?:\b[^\W\d_]{2,}\b[\s,;:]+){2}[^\W\d_]{2,}\b")
_USUAL = frozenset(
    [
        "assert",
        "where",
        "and",
        "not",
        "in",
        "is",
        "or",
        "for",
        "if",
        "else",
        "lambda",
        "object",
        "at",
        "of",
        "class",
        "function",
        "method",
        "bound",
        "generator",
        "coroutine",
        "None",
        "True",
        "False",
        "nan",
        "inf",
        "array",
        "dtype",
        "int",
        "float",
        "str",
        "list",
        "dict",
        "set",
        "tuple",
        "call",
        "calls",
        "call_args",
        "Mock",
        "MagicMock",
        "name",
        "id",
    ]
)
_ASCII = re.compile(r"[\x20-\x7e]{1,2000}")
_COMPARED = re.compile(
    r"assert .+|.+ (?:!=|not found in|unexpectedly found in|is not|not less than) .+"
)

_NAME = r"[\w.<>]{1,100}(?:\(\))?"
_FIXED = tuple(
    re.compile(
        form.replace("%N", _NAME)
        .replace("%V", r"'(?:\.\.\.|[^'\n]{0,60})'")
        .replace("%D", r"-?\d{1,20}")
    )
    for form in (
        # names and attributes
        r"name %V is not defined(?:\. Did you mean: %V\?)?",
        r"(?:cannot access|local) (?:local|free)? ?variable %V (?:where it is not associated with a value|referenced before assignment)(?: in enclosing scope)?",
        r"(?:cannot access free variable %V where .{0,60})",
        r"(?:type object |module )?%V (?:object )?has no attribute %V(?:\. Did you mean: %V\?)?",
        r"partially initialized module %V has no attribute %V .{0,60}",
        r"cannot import name %V from %V(?: \(.{0,200}\))?",
        r"No module named %V(?:; %V is not a package)?",
        r"%V object attribute %V is read-only",
        # calls
        r"%N (?:missing|takes) .{0,20}(?:required )?(?:positional|keyword-only|no|from|exactly|at most|at least) ?.{0,60}arguments?(?:: .{1,200})?(?: but \d+ (?:was|were) given)?(?: \(\d+ given\))?",
        r"%N takes (?:\d+|from \d+ to \d+) positional arguments? but \d+ (?:was|were) given",
        r"%N got (?:an unexpected keyword argument|multiple values for argument) %V(?:\. Did you mean %V\?)?",
        r"%N (?:argument|arg) ?\d* must be .{1,60}, not %N",
        r"%N takes no (?:keyword )?arguments(?: \(\d+ given\))?",
        r"%N expected (?:at (?:least|most) )?\d+ arguments?, got \d+",
        r"(?:%V|%N) object is not (?:callable|iterable|subscriptable|reversible|an iterator|an async iterable)",
        r"%V object (?:is not (?:callable|iterable|subscriptable|an iterator)|does not support .{1,40}|cannot be interpreted as an integer|can't be awaited)",
        r"object %N can't be used in 'await' expression",
        r"cannot unpack non-iterable %N object",
        r"argument of type %V is not (?:iterable|a container or iterable)",
        r"unhashable type: %V|cannot use %V as a .{1,20} \(unhashable type: %V\)",
        r"object of type %V has no len\(\)",
        r"bad operand type for .{1,20}: %V",
        r"unsupported operand type\(s\) for .{1,12}: %V and %V(?:\. Did you mean .{1,40}\?)?",
        r"%V not supported between instances of %V and %V",
        r"can only concatenate %N \(not \"?'?%N\"?'?\) to %N",
        r"can only concatenate %N \(not '\.\.\.'\) to %N",
        r"(?:%N|%V) indices must be integers(?: or slices)?(?:, not (?:%N|%V))?",
        r"descriptor %V .{1,20}%V object .{0,60}",
        r"must be real number, not %N|an integer is required(?: \(got type %N\))?|%N\(\) argument must be .{1,60}, not (?:%N|%V)",
        # values
        r"%V|%D|\(.{0,60}\)",
        r"(?:list|tuple|string|bytearray|pop|range object|deque|array)(?: assignment| index)* (?:index )?out of range|pop from (?:an )?empty (?:list|set|deque|array)|pop index out of range",
        r"(?:integer |float )?(?:division|modulo|floor division|divmod\(\))(?: or modulo)? by zero|(?:float|integer|complex) .{0,20}by zero|division by zero|0.0 cannot be raised to a negative power",
        r"invalid literal for %N(?: with base \d+)?: %V|could not convert string to float: %V",
        r"not enough values to unpack \(expected (?:at least )?\d+, got \d+\)|too many values to unpack \(expected \d+(?:, got \d+)?\)",
        r"%N(?:\(\))?: (?:element|value|x) not in %N|%D is not in (?:list|range|deque)|(?:list|tuple|deque)\.(?:remove|index)\(x\): x not in (?:list|tuple|deque)",
        r"(?:%N\(\) )?(?:arg is an empty sequence|iterable argument is empty|empty sequence)|substring not found|subsection not found|math domain error|math range error|negative shift count",
        r"dictionary update sequence element #\d+ has length \d+; 2 is required",
        r"(?:dictionary|Set|deque) (?:changed size|keys changed|mutated) during iteration",
        r"maximum recursion depth exceeded(?: .{0,60})?",
        r"generator raised StopIteration|generator already executing|coroutine .{0,80} was never awaited",
        r"\[Errno \d+\] [A-Z][a-z]+(?: [a-z]+){0,6}(?:: %V)?(?: -> %V)?",
        r"%V codec can't (?:de|en)code (?:byte|bytes|character|characters) .{1,40} in position .{1,30}: .{1,60}",
        r"Expecting (?:value|property name .{0,40}|',' delimiter|':' delimiter): line \d+ column \d+ \(char \d+\)|Extra data: line .{1,60}",
        r"Exceeds the limit \(\d+ digits\) for integer string conversion.{0,80}",
        r"Can't instantiate abstract class %N .{0,20}(?:abstract methods?|implementation for abstract methods?) .{1,120}",
        r"Cannot create a consistent method resolution order.{0,100}",
        # syntax
        r"invalid syntax(?:\. .{0,60})?|unexpected (?:indent|EOF while parsing)|unindent does not match any outer indentation level|expected .{1,60}|invalid .{1,30} literal|unmatched .{1,5}|.{0,3} was never closed|unterminated .{1,60}|.{1,20} outside (?:function|loop)|inconsistent use of tabs and spaces in indentation|cannot assign to .{1,80}|EOL while scanning string literal|positional argument follows keyword argument(?: unpacking)?|.{1,60} does not match opening parenthesis .{1,30}",
        # pytest, unittest
        r"DID NOT RAISE (?:any of )?.{1,120}|%N not raised(?: by %N)?|fixture %V not found|there is no test of this name any more",
        r"(?:True|False|None|%N|%V) is (?:not )?(?:true|false|None|unexpectedly None)|unexpectedly (?:None|identical: .{1,60})",
        r"expected call not found\.|Expected %V to (?:have been|be|not have been) (?:called|awaited)(?: once)?\. Called \d+ times\.|Expected %V to have been called.{0,30}",
        r"did not finish: .{1,100}|killed by signal \d+|exit code \d+|collection failed|unexpected success",
        # our judge
        r"(?:call \d+ )?returned .{1,200}, not .{1,200}|it left before it answered|gave no value: .{0,60}",
        # other runtimes
        r"Cannot (?:read|set) propert(?:y|ies) .{0,40}of (?:undefined|null)(?: \((?:reading|setting) %V\))?|%N is not (?:a function|defined|iterable|a constructor)|Assignment to constant variable\.|Unexpected (?:token|end of|identifier) ?.{0,30}|Expected values to be strictly (?:deep-)?equal:?|Maximum call stack size exceeded",
        r"runtime error: (?:index out of range \[-?\d+\](?: with length \d+)?|slice bounds out of range .{1,40}|invalid memory address or nil pointer dereference|integer divide by zero)|assignment to entry in nil map",
        r"index out of bounds: the len is \d+ but the index is \d+|attempt to .{1,40} (?:with overflow|by zero)|called .{1,40} on an? .{1,20} value|assertion .{1,30} failed|explicit panic|not yet implemented|not implemented",
    )
)
_ECHOED = re.compile(r"#\s*error|#\s*warning|static.assert|compile_error|deprecated", re.IGNORECASE)
_JUDGED = re.compile(r"(.{0,200}) \(line \d+ of the check: .{0,250}\)", re.DOTALL)
_RAISED = re.compile(r"(?:the function )?raised (\w{1,80}): (.*)", re.DOTALL)


def own_words(fact: Evidence) -> str:
    """The tool's own words in a fact's message, values shortened; empty if it has none."""
    if fact.kind is EvidenceKind.DIAGNOSTIC:
        return _diagnosed(fact.message.split("\n", 1)[0])
    if fact.kind not in (EvidenceKind.TEST_FAILURE, EvidenceKind.TRACEBACK):
        return own_value(fact.message)
    lines = [line for line in fact.message.splitlines() if line.strip()]
    return "\n".join(_own_lines(lines, fact.exception))


def own_value(text: str) -> str:
    """The value as printed; empty if it could be a sentence."""
    shown = _shortened(text)
    return shown if _ASCII.fullmatch(shown.replace("\n", " ")) and not _is_prose(shown) else ""


def _own_lines(lines: list[str], exception: str) -> Iterator[str]:
    for number, line in enumerate(lines):
        head = ""
        said = line.strip()
        if exception and said.startswith(f"{exception}: "):
            head, said = f"{exception}: ", said.removeprefix(f"{exception}: ")
        if kept := _own_line(said, first=number == 0):
            yield head + kept


def _own_line(line: str, *, first: bool) -> str:
    if judged := _JUDGED.fullmatch(line):
        return line if _own_line(judged[1], first=True) or judged[1] == "AssertionError" else ""
    if raised := _RAISED.fullmatch(line):
        kept = _own_line(raised[2], first=True)
        return f"raised {raised[1]}: {kept}" if kept else f"raised {raised[1]}"
    shown = _shortened(line.partition(" : ")[0] if " != " in line else line)
    if not _ASCII.fullmatch(shown):
        return ""
    bare = _PLACE.sub("", shown, count=1)
    if any(form.fullmatch(bare) for form in _FIXED):
        return shown
    compared = _COMPARED.fullmatch(shown) or (not first and re.match(r"[-+?] |\+ +where ", shown))
    return shown if compared and not _is_prose(shown) else ""


def _diagnosed(message: str) -> str:
    shown = _shortened(message).replace("\u2018", "'").replace("\u2019", "'")
    return "" if _ECHOED.search(shown) or not _ASCII.fullmatch(shown) else shown


def _shortened(text: str) -> str:
    """The text without quoted values that are longer than a name or two."""
    return _QUOTED.sub(
        lambda found: found[0] if _SHORT.fullmatch(found[0][1:-1]) else _HIDDEN, text
    )


def _is_prose(text: str) -> bool:
    """True if three words in a row are not names, operators or types."""
    bare = " ".join("" if word in _USUAL else word for word in _QUOTED.sub("0", text).split(" "))
    return _PROSE.search(bare) is not None
