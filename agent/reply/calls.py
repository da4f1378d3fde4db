"""Tool calls that a model wrote as text: JSON, `<tool_call>`, `<file>` tags, python-like calls."""

from __future__ import annotations

import ast
import io
import json
import re
import shlex
import tokenize
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

_WRITES = frozenset(
    {"write_file", "write", "edit_file", "create_file", "save_file", "replace_file", "update_file"}
)
_RUNS = frozenset({"run", "run_command", "run_shell", "shell", "bash", "execute", "exec"})
# Looking at something is a command, too: `agent.turn.lookups` answers these without a box.
_READS = frozenset({"read_file", "open_file", "view_file", "read", "view", "cat"})
_LISTS = frozenset({"list_files", "list_dir", "list_directory", "ls"})
_SEARCHES = frozenset({"search_files", "search_code", "search", "grep"})
_TESTS = frozenset({"run_tests", "run_test", "pytest"})
_LOOKS = frozenset({"read_file", "list_files", "list_dir", "search_files", "run_tests"})
"""Call names that hardly begin a line of ordinary code."""
_QUERY_KEYS = ("query", "pattern", "text", "regex", "q")
_PATH_KEYS = ("path", "file", "filename", "file_path", "filepath", "file_name")
_CONTENT_KEYS = ("content", "contents", "code", "text", "new_content", "file_content", "file_text")
_COMMAND_KEYS = ("command", "cmd", "script")
_ARGUMENT_KEYS = ("arguments", "args", "parameters", "params", "input")
_TAGGED_CALL = re.compile(r"<tool_call>\s*(.*?)\s*(?:</tool_call>|\Z)", re.DOTALL)
_TAGGED_FILE = re.compile(
    r"<(?P<tag>file|write_file|edit)\s+(?:path|name|filename)=(?P<q>[\"'])(?P<path>[^\n]+?)(?P=q)\s*>\n?"
)
_CALL_START = re.compile(
    rf"(?m)^[ \t]*(?:\w+\.)?(?:{'|'.join(sorted(_WRITES | _RUNS | _LOOKS))})\("
)
_JSON_START = re.compile(r"(?m)^[ \t]*[{\[]")
_STARTS_TRIED = 5
_POSITIONAL = {
    "read_file": ("path",),
    "list_files": ("path",),
    "list_dir": ("path",),
    "search_files": ("query", "path"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteCall:
    """A whole file to be written."""

    path: str
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCall:
    """A command to be run."""

    command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenCall:
    """A call that began and could not be read to its end."""


Call = WriteCall | RunCall | BrokenCall


def read_calls(text: str) -> tuple[Call, ...]:
    """The calls in a text that has no fences around them; empty if there is none."""
    if "<tool_call>" in text:
        bodies = _TAGGED_CALL.findall(text)
        return tuple(call for body in bodies for call in _from_text(body) or (BrokenCall(),))
    if tagged := tuple(_from_tags(text)):
        return tagged
    return _from_text(text)


def read_json_calls(text: str) -> tuple[Call, ...]:
    """The calls in a text that is JSON, or a Python literal, and maybe prose around it."""
    for match in list(_JSON_START.finditer(text))[:_STARTS_TRIED]:
        value = _decoded(text[match.start() :].lstrip())
        if calls := tuple(_from_value(value)):
            return calls
    return ()


def only_calls(source: str) -> tuple[Call, ...]:
    """The calls in a text that holds nothing but python-like calls; else empty."""
    calls = tuple(_from_python(source))
    rest = _CALL_START.search(source)
    starts_with_call = rest is not None and not source[: rest.start()].strip()
    return calls if starts_with_call else ()


def _from_text(text: str) -> tuple[Call, ...]:
    calls = read_json_calls(text) or tuple(_from_python(text))
    if calls:
        return calls
    looks_like_call = text.lstrip().startswith(("{", "[")) and any(
        f'"{key}"' in text for key in (*_CONTENT_KEYS, *_ARGUMENT_KEYS, *_COMMAND_KEYS)
    )
    return (BrokenCall(),) if looks_like_call else ()


def _from_tags(text: str) -> Iterator[Call]:
    """Files in tags, each up to its last closing tag: one before that is the file's own."""
    opened = _outer(list(_TAGGED_FILE.finditer(text)), text)
    ends = [*(match.start() for match in opened), len(text)][1:]
    for match, limit in zip(opened, ends, strict=True):
        end = text.rfind(f"</{match['tag']}>", match.end(), limit)
        if end < 0:
            yield BrokenCall()
        else:
            yield WriteCall(path=match["path"], content=text[match.end() : end])


def _outer(tags: Sequence[re.Match[str]], text: str) -> list[re.Match[str]]:
    """Opening tags without those that stand in a file that is not closed before them."""
    found: list[re.Match[str]] = []
    for tag in tags:
        if not found or f"</{found[-1]['tag']}>" in text[found[-1].end() : tag.start()]:
            found.append(tag)
    return found


def _decoded(text: str) -> object:
    """The JSON value or Python literal that the text begins with; None if it is neither."""
    try:
        return json.JSONDecoder(strict=False).raw_decode(text)[0]
    except (ValueError, RecursionError):
        pass
    end = max(text.rfind("}"), text.rfind("]"))
    return _literal(text[: end + 1])


def _literal(text: str) -> object:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.literal_eval(text)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            return None


def _from_value(value: object, depth: int = 0) -> Iterator[Call]:
    if depth > 4:  # noqa: PLR2004 - deeper nesting than any calling convention has
        return
    if isinstance(value, list):
        for item in value:
            yield from _from_value(item, depth + 1)
    elif isinstance(value, Mapping):
        nested = next(
            (value[key] for key in ("tool_calls", "files", "edits") if key in value), None
        )
        if isinstance(nested, Mapping):
            pairs = nested.items()
            yield from (WriteCall(path=p, content=c) for p, c in pairs if _are_text(p, c))
        elif nested is not None:
            yield from _from_value(nested, depth + 1)
        elif isinstance(value.get("function"), Mapping):
            yield from _from_value(value["function"], depth + 1)
        else:
            yield from _from_call(value)


def _from_call(call: Mapping[str, object]) -> Iterator[Call]:
    names = (call.get(key) for key in ("name", "tool", "function", "action", "tool_name"))
    name = next((item for item in names if isinstance(item, str)), "")
    arguments: object = next((call[key] for key in _ARGUMENT_KEYS if key in call), call)
    if isinstance(arguments, str) and name:
        arguments = {"command": arguments} if name in _RUNS else _decoded(arguments)
    if not isinstance(arguments, Mapping):
        return
    path, content = _first_text(arguments, _PATH_KEYS), _first_text(arguments, _CONTENT_KEYS)
    if path and content is not None and (not name or name in _WRITES):
        yield WriteCall(path=path, content=content)
    elif (command := _command(arguments)) and (not name or name in _RUNS):
        yield RunCall(command=command)
    elif look := _look(name, path, _first_text(arguments, _QUERY_KEYS)):
        yield RunCall(command=look)


def _look(name: str, path: str | None, query: str | None) -> str:
    """The command for a call that only reads; empty for other calls."""
    if name in _READS and path:
        return f"cat {'-- ' if path.startswith('-') else ''}{shlex.quote(path)}"
    if name in _LISTS:
        return f"ls {shlex.quote(path)}" if path and path != "." else "ls"
    if name in _SEARCHES and query:
        return f"grep -rnF {shlex.quote(query)} {shlex.quote(path or '.')}"
    return "pytest" if name in _TESTS else ""


def _from_python(text: str) -> Iterator[Call]:
    position = 0
    while match := _CALL_START.search(text, position):
        start = match.start() + len(match[0]) - len(match[0].lstrip())
        end = _end_of_call(text[start:])
        if end is None:
            yield BrokenCall()
            return
        yield from _from_expression(text[start : start + end])
        position = start + end


def _end_of_call(text: str) -> int | None:
    """Length in characters of the call at the beginning of the text; None if it does not end."""
    depth = 0
    offsets = [0]
    for line in io.StringIO(text):
        offsets.append(offsets[-1] + len(line))
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.OP and token.string in "([{":
                depth += 1
            elif token.type == tokenize.OP and token.string in ")]}":
                depth -= 1
                if depth == 0:
                    row, column = token.end
                    return offsets[row - 1] + column
    except (tokenize.TokenError, SyntaxError, ValueError, IndexError):
        return None
    return None


def _from_expression(source: str) -> Iterator[Call]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            node = ast.parse(source, mode="eval").body
        except (SyntaxError, ValueError, MemoryError, RecursionError):
            return
    if not isinstance(node, ast.Call):
        return
    name = node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
    named = {item.arg: item.value for item in node.keywords if item.arg}
    values = {key: text for key, item in named.items() if (text := _constant(item)) is not None}
    positional = [_constant(item) for item in node.args]
    keys = _POSITIONAL.get(name) or (("path", "content") if name in _WRITES else ("command",))
    values |= {k: v for k, v in zip(keys, positional, strict=False) if v is not None}
    yield from _from_call({"name": name, "arguments": values})


def _constant(node: ast.expr) -> str | None:
    value = _literal(ast.unparse(node))
    return value if isinstance(value, str) else None


def _command(arguments: Mapping[object, object]) -> str:
    for key in _COMMAND_KEYS:
        match arguments.get(key):
            case str(text):
                return text.strip()
            case list(words) if words and all(isinstance(word, str) for word in words):
                return " ".join(words)
            case _:
                pass
    return ""


def _first_text(values: Mapping[object, object], keys: Sequence[str]) -> str | None:
    return next((v for key in keys if isinstance(v := values.get(key), str)), None)


def _are_text(*values: object) -> bool:
    return all(isinstance(value, str) for value in values)
