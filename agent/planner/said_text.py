"""Plans a request about a text that the code says: the one function that says it is written anew.

`'bad block' is a useless message, put the text of the block in it` names no function; a small model changes the
class of the exception, or writes a second message. The place is read from the syntax tree, and the reply begins
there; where several places say the text, or none, there is no step and the request goes on as it is.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator, Sequence

from agent.editing.python_source import (
    FunctionNode,
    definitions,
    head_of,
    parse_python,
    source_lines,
)
from agent.editing.source_files import is_test_path
from agent.fixing.sources import Sources
from agent.intent.wanted import Wanted
from agent.planner.step import PlanStep
from agent.prompt_files import filled

_QUOTES = re.compile(
    r"(?<!\w)'(?P<single>[^'\n]{4,80})'(?!\w)|\"(?P<double>[^\"\n]{4,80})\"|[“](?P<curly>[^”\n]{4,80})[”]"
)
_ABOUT_TEXTS = re.compile(
    r"\b(?:caption|error|exception|header|label|line|message|output|prints?|printed|reads?|says?|shows?|spelled|text|title"
    r"|typo|warning|wording|words?)\b",
    re.IGNORECASE,
)
_IS_OTHER = re.compile(
    r"\b(?:catch|constant|delete|docs?|docstrings?|documentation|each|every|everywhere|extract|handle|index|readme|remove|rename"
    r"|rewrite|such as|tests?|translat\w+|keep (?:it|that|the)"
    r"|(?:all|both) (?:of )?(?:the )?(?:errors?|messages?|places|texts?))\b|(?:like|as|e\.g\.),? (?=['\"“])"
    r"|,? too[\s.!]*$|\w\.(?:json|md|rst|toml|ya?ml)\b",
    re.IGNORECASE,
)
_RAISED = re.compile(r"\braise (\w+)\(")
_WITH_TEXT = re.compile(r"\b([A-Za-z_]\w*)\(\s*['\"]")
"""A class with the text that it is raised with: `BadLine("bad line")`."""
_ABOUT_A_PART = re.compile(r"\bpre-?fix|\bin front\b|\bbeginning\b", re.IGNORECASE)
_CODE = re.compile(r"[A-Za-z_]\w+")
_LONGEST_REQUEST = 4_000
_LONGEST = 60
"""Lines of a function that is written anew for a text in it."""


def said_text_steps(text: str, wanted: Wanted, sources: Sources) -> tuple[PlanStep, ...]:
    """The step for a request about one text that the code says; none if it is about something else.

    Reads files; blocks.
    """
    if len(text) > _LONGEST_REQUEST:
        return ()
    about = _ABOUT_TEXTS.search(_QUOTES.sub("", text)) and not _IS_OTHER.search(text)
    if wanted not in (Wanted.EDIT, Wanted.REPAIR) or not about:
        return ()
    quoted = [next(filter(None, match.groups())) for match in _QUOTES.finditer(text)]
    found = [place for said in quoted for place in _places(said, sources)]
    if not found and not _ABOUT_A_PART.search(text):
        found = [place for said in map(_core, quoted) if said for place in _places(said, sources)]
    if len(found) != 1:
        return ()
    path, name, node, line = found[0]
    source = sources.text(path) or ""
    raised = set(_RAISED.findall(source_lines(source)[line - 1]))
    own = raised & set(_WITH_TEXT.findall(text))
    if _others_named(_QUOTES.sub("", text), {*name.split("."), *own}, sources):
        return ()
    head = head_of(source, node)
    if not head or (node.end_lineno or 0) - node.lineno >= _LONGEST:
        return ()
    says = source_lines(source)[line - 1].strip()
    told = filled("step_said", function=name, path=path, line=says, wish=text.strip().rstrip("."))
    return (PlanStep(text=told, begun=f"{path}\n```python\n{head}\n"),)


def _core(said: str) -> str:
    """The part of a quoted text that code may write out: a caller puts `error: ` before it, and dots stand for more."""
    said = re.sub(r"\s*(?:\.\.\.|…)$", "", said)
    return re.sub(r"^(?:error|fatal|warning):\s+", "", said, flags=re.IGNORECASE)


def _others_named(text: str, own: Collection[str], sources: Sources) -> bool:
    """True if a request writes the name of a definition that is none of `own`, those of the place that was found."""
    words = {word for word in _CODE.findall(text) if word not in own}
    files = (sources.text(path) or "" for path in sources.files if path.endswith(".py"))
    return bool(words) and any(
        words & {part for name in definitions(source) for part in name.split(".")}
        for source in files
    )


def _places(said: str, sources: Sources) -> Iterator[tuple[str, str, FunctionNode, int]]:
    """The functions that say a text: path, qualified name, the function itself and the line."""
    for path in sorted(sources.files):
        source = (sources.text(path) or "") if path.endswith(".py") else ""
        if said not in source or is_test_path(path) or parse_python(source) is None:
            continue
        for name, node in definitions(source).items():
            if isinstance(node, ast.ClassDef):
                continue
            if lines := _lines_that_say(said, node):
                yield path, name, node, lines[0]


def _lines_that_say(said: str, node: FunctionNode) -> Sequence[int]:
    behind_docstring = node.body[1:] if ast.get_docstring(node) is not None else node.body
    return [
        part.lineno
        for statement in behind_docstring
        for part in ast.walk(statement)
        if isinstance(part, ast.Constant) and isinstance(part.value, str) and said in part.value
    ]
