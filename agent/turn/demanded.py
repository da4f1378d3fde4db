"""Says what a request demands by name and the code that was written for it does not have yet.

Read are options, commands, parameters, definitions, fields, constants, exceptions and quoted texts. A demand in other
words, and one that a request denies ("without", "no longer"), is not seen: nothing is said of it. A false
demand costs a reply that may spoil what was right, so a pattern that is in doubt demands nothing.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence

from agent.editing.python_source import parse_python
from agent.editing.source_files import is_test_path

_GIVES = re.compile(
    r"\b(?:accept|add|create|define|extract|give|implement|introduce|let|make|provide|support|take|use|write)s?\b",
    re.IGNORECASE,
)
_ADDS = re.compile(r"\b(?:accept|add|create|give|introduce|provide|support)s?\b", re.IGNORECASE)
_IS_NEW = re.compile(
    r"\b(?:accept|add|create|introduce|provide|support|get|have|take|like|need|want|give)s?\b"
    r"(?:(?!\b(?:when|if|with|that|so)\b)[^,])*?\b(?:options?|flags?|switch(?:es)?|arguments?)\s+(?:called\s+|named\s+)?[`'\"]?$"
    r"|\b(?:accept|add|introduce|provide|support)s?\s+(?:an?\s+|another\s+|the\s+|new\s+)*[`'\"]?$",
    re.IGNORECASE,
)
"""The words before an option that is to be made: the sentence up to it."""
_DENIES = re.compile(
    r"\b(?:delete|(?:do|must|should) not|don't|drop|get rid|no longer|remove|rename|stop|without)\b",
    re.IGNORECASE,
)
_NAME = r"(?:called\s+|named\s+)?(?P<mark>[`'\"]?)(?P<name>[A-Za-z_]\w+)(?P=mark)"
_BEHIND = (
    r"(?=\s*(?:[.,;:(=]|$|(?:and|by|default\w*|for|from|in|of|on|so|that|to|which|whose|with)\b))"
)
"""The words behind a name: what stands before another word may be an adverb, or a part of a compound."""
_NEW = r"\b(?:an?|another|new)\s+(?:\w+\s+)?"
_OPTION = re.compile(r"(?<![\w-])--[a-z][\w-]+")
_PARSED = re.compile(r"\buses args\.(?P<name>[a-z]\w*)")
_COMMAND = re.compile(
    rf"{_NEW}(?:sub-?)?command\s+{_NAME}(?=\s+(?:that|to|which)\b)", re.IGNORECASE
)
_PARAMETER = re.compile(rf"{_NEW}(?:parameter|argument)\s+{_NAME}{_BEHIND}", re.IGNORECASE)
_DEFINITION = re.compile(
    rf"\b(?:an?|new)\s+(?:function|method|class|property|dataclass)\s+{_NAME}{_BEHIND}",
    re.IGNORECASE,
)
_FIELD = re.compile(rf"{_NEW}(?:attribute|field)\s+{_NAME}{_BEHIND}", re.IGNORECASE)
_DUNDER = re.compile(r"(?<![.\w])(?P<name>__[a-z]+__)(?![\w.])")
_NO_METHODS = frozenset(
    ["__all__", "__class__", "__dict__", "__doc__", "__file__", "__init__", "__main__", "__name__"]
)
_CONSTANT = re.compile(r"\bconstant\s+(?:called\s+|named\s+)?[`'\"]?(?P<name>[A-Z][A-Z0-9_]+)\b")
_RAISED = re.compile(
    r"(?:^|\b(?:and|(?:let|make)\s+\w+|must|should|to)\s+(?:also\s+|then\s+)?)raise\s+(?:an?\s+)?`?"
    r"(?P<name>[A-Z]\w*(?:Error|Exception))\b",
    re.MULTILINE,
)
_OF_PYTHON = re.compile(
    r"(?:Attribute|Index|Key|Overflow|Recursion|Type|UnicodeDecode|Value|ZeroDivision|FileNotFound|OS)Error"
)
"""Exceptions that code may raise without a `raise` of its own."""
_MESSAGE = re.compile(r"\b(?:message|says?|saying|text|words)\b", re.IGNORECASE)
_TEXT = re.compile(
    r"(?:\brais\w+\b[^.;]*\b(?:message|says?|saying)|\b(?:must|should)\s+(?:print|return))\s+"
    r"(?P<mark>['\"])(?P<name>[^'\"\n{}<>%]{3,60})(?P=mark)(?!\s+(?:for|given|instead|to)\b)"
)
_NO_NAMES = re.compile(
    r"above|bus|handler|history|line|palette|pattern|prompt|queue|after|also|and|are|as|before|below|by|called|for|from|has|here|if|in|instead|into|is"
    r"|named|of|on|only|so|that|the|there|to|too|twice|which|with|argument|attribute|body|call"
    r"|checks|class|decorator|definition|description|descriptions|docs|docstring|docstrings|error"
    r"|function|getter|header|hierarchy|list|method|name|parameter|parser|property|setter"
    r"|signature|test|tests|types|validation|validator|variable|version|everywhere|optional"
    r"|required|unchanged",
    re.IGNORECASE,
)
"""Words that may stand behind "a function" and name none."""
_TEXTS = (".cfg", ".ini", ".json", ".md", ".rst", ".toml", ".txt", ".yaml", ".yml")


def unmet(request: str, after: Mapping[str, str]) -> tuple[str, ...]:
    """The demands of a request that the written files do not meet, a sentence each; empty if all are met.

    `after` gives the texts of the files that were written, by path. Tests and texts say nothing; with a
    file of another language beside the code nothing is demanded.
    """
    code = {path: text for path, text in after.items() if _is_code(path)}
    others = [path for path in after if not path.endswith((".py", *_TEXTS))]
    if not code or others or _DENIES.search(request):
        return ()
    trees = [tree for text in code.values() if (tree := parse_python(text)) is not None]
    found: list[str] = []
    for demands in (
        _options,
        _commands,
        _parameters,
        _definitions,
        _fields,
        _constants,
        _raised,
        _texts,
    ):
        found += demands(request, "\n".join(code.values()), trees)
    return tuple(dict.fromkeys(found))


def _is_code(path: str) -> bool:
    return path.endswith(".py") and not is_test_path(path)


def _options(request: str, code: str, _trees: Sequence[ast.Module]) -> Iterator[str]:
    """An option stands in the code as it is typed, or as the name that a library makes one of."""
    for option in _OPTION.finditer(request):
        sentence = re.split(r"[.;:]\s", request[: option.start()])[-1]
        plain = option[0].removeprefix("--").removeprefix("no-")
        typed = (option[0], f"--{plain}")
        # where options are typed out, a variable of that name is none
        is_there = any(each in code for each in typed) or (
            "add_argument(" not in code
            and re.search(rf"\b{re.escape(plain.replace('-', '_'))}\b", code)
        )
        if _IS_NEW.search(sentence) and not is_there:
            yield f"there is no option {option[0]}"
    for name in (match["name"] for match in _PARSED.finditer(request)):
        if not re.search(rf"\.{name}\b|['\"]{name}['\"]", code):
            yield f"nothing uses args.{name}"


def _commands(request: str, code: str, trees: Sequence[ast.Module]) -> Iterator[str]:
    """A command stands in the code as it is typed, or as the function that a library makes one of."""
    functions = {node.name.removeprefix("do_") for tree in trees for node in _functions(tree)}
    for name in _named(request, _COMMAND):
        if name not in functions and not re.search(rf"['\"/]{re.escape(name)}['\"]", code):
            yield f"there is no command {name}"


def _parameters(request: str, _code: str, trees: Sequence[ast.Module]) -> Iterator[str]:
    """A parameter must be one of a function that the request names; of any, if it names none."""
    words = set(re.findall(r"\w+", request))
    functions = [node for tree in trees for node in _functions(tree)]
    named = [node for node in functions if node.name in words]
    if any(node.args.kwarg for node in named):
        return
    there = {argument for node in named or functions for argument in _arguments(node)}
    for name in _named(request, _PARAMETER):
        if name not in there:
            yield (
                f"{named[0].name} has no parameter {name}"
                if named
                else f"no parameter is called {name}"
            )


def _definitions(request: str, code: str, trees: Sequence[ast.Module]) -> Iterator[str]:
    defined = {name for tree in trees for name in _defined(tree)}
    for name in _named(request, _DEFINITION):
        if name not in defined:
            yield f"{name} is not defined"
    for name in _named(request, _DUNDER):
        if name not in _NO_METHODS and name not in code and "dataclass" not in code:
            yield f"{name} is not defined"


def _fields(request: str, code: str, _trees: Sequence[ast.Module]) -> Iterator[str]:
    """A field may be assigned to, a parameter, or a key: it must stand in the code at all."""
    for name in _named(request, _FIELD):
        if not re.search(rf"\b{re.escape(name)}\b", code):
            yield f"there is no field {name}"


def _constants(request: str, _code: str, trees: Sequence[ast.Module]) -> Iterator[str]:
    """A constant is bound or used somewhere, and is no parameter."""
    nodes = [node for tree in trees for node in ast.walk(tree)]
    used = {node.id for node in nodes if isinstance(node, ast.Name)}
    used |= {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    used |= {node.asname or node.name for node in nodes if isinstance(node, ast.alias)}
    parameters = {node.arg for node in nodes if isinstance(node, ast.arg)}
    for name in _named(request, _CONSTANT):
        if name not in used - parameters:
            yield f"{name} is no constant of the file"


def _raised(request: str, _code: str, trees: Sequence[ast.Module]) -> Iterator[str]:
    """An exception is raised; one that Python raises by itself is demanded only with a message."""
    raised = {
        _last(node.exc) for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Raise)
    }
    for match in _RAISED.finditer(request):
        name, rest = match["name"], request[match.end() :]
        if _OF_PYTHON.fullmatch(name) and not _MESSAGE.search(rest):
            continue
        if name not in raised:
            yield f"nothing raises {name}"


def _texts(request: str, code: str, trees: Sequence[ast.Module]) -> Iterator[str]:
    """A text stands in the code, or in literals that follow each other."""
    nodes = (node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant))
    literals = "".join(node.value for node in nodes if isinstance(node.value, str))
    for text in (match["name"] for match in _TEXT.finditer(request)):
        if text not in code and text not in literals:
            yield f"the text {text!r} does not stand in the code"


def _last(node: ast.expr | None) -> str:
    """The last part of the name of what is raised."""
    called = node.func if isinstance(node, ast.Call) else node
    return called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")


def _named(request: str, *patterns: re.Pattern[str]) -> Iterator[str]:
    """The names that a request gives to something new; a sentence without such a verb gives none."""
    for sentence in re.split(r"[.;:]\s", request):
        if _GIVES.search(sentence):
            for pattern in patterns:
                names = (match["name"] for match in pattern.finditer(sentence))
                yield from filter(_is_name, names)


def _is_name(word: str) -> bool:
    return _NO_NAMES.fullmatch(word) is None and not word.endswith("ing")


def _functions(tree: ast.Module) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [node for node in ast.walk(tree) if isinstance(node, kinds)]


def _arguments(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    given = node.args
    for argument in (*given.posonlyargs, *given.args, *given.kwonlyargs):
        yield argument.arg
    yield from (each.arg for each in (given.vararg, given.kwarg) if each is not None)


def _defined(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
