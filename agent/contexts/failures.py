"""Failures by an API that is not there: what of it is missing, and what could be its successor."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from agent.advice.succession import succession
from agent.contexts.repairs import Replacement, attributes, fixed_argument, replacements
from agent.editing.python_source import imports, parse_python
from learning.contexts.change import ApiChange, ChangeKind, Grounds
from learning.contexts.snippets import plain_type
from learning.records import Experience, Verdict

_MODULE_ATTRIBUTE = re.compile(r"module '([\w.]+)' has no attribute '(\w+)'")
_CLASS_ATTRIBUTE = re.compile(r"(?:type object )?'([\w.]+)'(?: object)? has no attribute '(\w+)'")
_IMPORTED = re.compile(r"cannot import name '(\w+)' from '([\w.]+)'")
_KEYWORD = re.compile(r"(?:([\w.]+)\(\) )?got an unexpected keyword argument '(\w+)'")
_VALUE = re.compile(r"\w+=['\"]([\w.+-]+)['\"]")
_LONGEST_REQUEST = 4_000
_BUILTIN = frozenset({"list", "dict", "set", "tuple", "str", "int", "float", "NoneType", "bool"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiFailure:
    """Code that failed by an API, with verified code that did the same task later."""

    exception: str
    message: str
    code: str
    request: str = ""
    """The task in words."""
    repaired: tuple[str, ...] = ()
    experiences: tuple[str, ...] = ()
    wanted: str = ""
    """Plain name of the API that the request was made of, where it is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingApi:
    """A piece of an API that the installed release does not have, as its error and the code name it."""

    kind: ChangeKind
    holder: str
    name: str
    said: str = ""
    """The successor that the error states; empty if it states none."""
    guessed: bool = False
    """True if that is a name which Python suggests for its spelling, and nothing that the library says."""
    of_module: bool = False

    @property
    def says_itself(self) -> bool:
        """True if the error words the change, of a call or a text: no library need know its holder."""
        return not self.holder or (self.kind is ChangeKind.KEYWORD and bool(self.said))

    @property
    def key(self) -> tuple[str, str, str]:
        """The same for all failures by one API of a library."""
        return self.kind.value, self.holder, self.name


def failures_of(experiences: Sequence[Experience]) -> list[ApiFailure]:
    """The failing steps with an exception, each with its verified fixes."""
    fixes: dict[str, list[Experience]] = {}
    for each in experiences:
        if each.fixes and each.verdict is Verdict.PASS:
            fixes.setdefault(each.fixes, []).append(each)
    return [
        ApiFailure(
            exception=fact.exception,
            message=fact.message,
            code=step.after,
            request=step.messages[-1].content if step.messages else "",
            repaired=tuple(fix.after for fix in fixes.get(step.id, ())),
            experiences=(step.id, *(fix.id for fix in fixes.get(step.id, ()))),
        )
        for step in experiences
        if step.verdict is Verdict.FAIL
        for fact in step.evidence
        if fact.exception
    ]


def missing_in(failure: ApiFailure) -> MissingApi | None:
    """The API that a failure is about; None for errors of another kind."""
    message = failure.message
    old, new = succession(message, suggested=True)
    guessed = not succession(message)[1]
    if match := _MODULE_ATTRIBUTE.search(message):
        said = _plain(new)
        return MissingApi(
            kind=ChangeKind.NAME,
            holder=match[1],
            name=match[2],
            said=said,
            guessed=guessed,
            of_module=True,
        )
    if match := _IMPORTED.search(message):
        return MissingApi(kind=ChangeKind.NAME, holder=match[2], name=match[1], of_module=True)
    if match := _CLASS_ATTRIBUTE.search(message):
        holder = match[1].rpartition(".")[2]
        if holder in _BUILTIN:
            return None
        return MissingApi(
            kind=ChangeKind.NAME, holder=holder, name=match[2], said=_plain(new), guessed=guessed
        )
    if match := _KEYWORD.search(message):
        holder = match[1] or _caller(failure.code, match[2])
        return MissingApi(kind=ChangeKind.KEYWORD, holder=holder, name=match[2]) if holder else None
    return _by_its_words(failure, old, new) if old and new else None


def _by_its_words(failure: ApiFailure, old: str, new: str) -> MissingApi | None:
    """A change that the error words itself; the code says if it is a keyword, a text or a name."""
    if (was := _VALUE.fullmatch(old)) and (now := _VALUE.fullmatch(new)):
        return MissingApi(kind=ChangeKind.VALUE, holder="", name=was[1], said=now[1])
    name, said = _plain(old), _plain(new)
    if caller := _caller(failure.code, name):
        return MissingApi(kind=ChangeKind.KEYWORD, holder=caller, name=name, said=said)
    tree = parse_python(failure.code)
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, ast.Attribute | ast.Name) and _name(node) == name:
            return MissingApi(kind=ChangeKind.NAME, holder="", name=name, said=said)
        if isinstance(node, ast.Constant) and node.value == old:
            return MissingApi(kind=ChangeKind.VALUE, holder="", name=old, said=new)
    return None


def _name(node: ast.Attribute | ast.Name) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id


def _plain(text: str) -> str:
    """`pl.len()` as `len`, `DataFrame.unpivot` as `unpivot`, `str.join` as `str.join`."""
    name = text.partition("(")[0].strip("=")
    head, _, last = name.rpartition(".")
    inner = head.rpartition(".")[2]
    keeps = inner.islower() and inner not in ("np", "pd", "pl", "numpy", "pandas", "polars", "nx")
    return f"{inner}.{last}" if keeps and inner else last


def _caller(code: str, keyword: str) -> str:
    """Plain name of the call that has this keyword in some code; empty without one."""
    tree = parse_python(code)
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, ast.Call) and any(each.arg == keyword for each in node.keywords):
            match node.func:
                case ast.Name(id=name) | ast.Attribute(attr=name):
                    return name
    return ""


def question_of(missing: MissingApi, failure: ApiFailure) -> Mapping[str, Any]:
    """The question for `inside/successors.py`."""
    modules = [each.module for each in imports(failure.code) if not each.module.startswith(".")]
    tops = [module.partition(".")[0] for module in modules]
    kind = "class_attribute"
    if missing.kind is ChangeKind.KEYWORD:
        kind = "call"
    elif missing.of_module:
        kind = "attribute"
    return {
        "kind": kind,
        "holder": missing.holder,
        "name": missing.name,
        "modules": list(dict.fromkeys([*modules, *tops])),
        "called": [],
        "said": [missing.said] if missing.said and not missing.guessed else [],
        "request": failure.request[:_LONGEST_REQUEST],
        "given": _given_kind(failure, missing),
    }


def _given_kind(failure: ApiFailure, missing: MissingApi) -> str:
    """The type of the plain value that the missing keyword was given; empty for another value."""
    if missing.kind is not ChangeKind.KEYWORD:
        return ""
    text = fixed_argument(
        _tree(failure.code), plain_holder(missing), missing.name, of_any_value=True
    )
    try:
        return plain_type(ast.literal_eval(text.partition("=")[2].removesuffix(")")))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return ""


def libraries_of(failure: ApiFailure, known: Sequence[str]) -> tuple[str, ...]:
    """The known libraries that the failed code imports, in its order: one of them the failure is about."""
    tops = (each.module.partition(".")[0] for each in imports(failure.code))
    return tuple(dict.fromkeys(top for top in tops if top in known))


def changes_of(
    missing: MissingApi, failure: ApiFailure, answer: Mapping[str, Any]
) -> Iterator[ApiChange]:
    """The changes that could explain a failure, those on the strongest grounds first.

    `answer` is that of `inside/successors.py`; an error that words the change itself needs none.
    """
    library = str(answer.get("library", ""))
    version = str(answer.get("version", ""))
    holder = plain_holder(missing)

    def change(
        new: str, kind: ChangeKind, grounds: Grounds, about: str = "", old: str = ""
    ) -> ApiChange:
        return ApiChange(
            library=library,
            version=version,
            holder=holder,
            old=old or missing.name,
            new=new,
            kind=kind,
            grounds=grounds,
            about=about,
        )

    if missing.said:
        about = next((c["about"] for c in _candidates(answer) if c["name"] == missing.said), "")
        grounds = Grounds.SPELLING if missing.guessed else Grounds.SAID
        yield change(missing.said, missing.kind, grounds, about)
    if missing.kind is ChangeKind.NAME and _is_wanted(failure):
        yield change(failure.wanted, missing.kind, Grounds.REPAIRED, failure.request)
    for each in _repairs(missing, failure):
        yield change(each.new, each.kind, Grounds.REPAIRED, old=each.old)
    asked = frozenset(re.findall(r"[a-z]{4,}", failure.request.lower()))

    def fits(candidate: Mapping[str, Any]) -> int:
        return -len(asked & set(re.findall(r"[a-z]{4,}", str(candidate["about"]).lower())))

    for candidate in sorted(_candidates(answer), key=fits):
        new, grounds = str(candidate["name"]), Grounds(candidate["why"])
        kind, old = _kind_of(missing, failure, candidate, library)
        if kind is not None and not (
            kind is ChangeKind.KEYWORD and _has_keyword(failure, holder, new)
        ):
            yield change(new, kind, grounds, str(candidate["about"]), old)


def _kind_of(
    missing: MissingApi, failure: ApiFailure, candidate: Mapping[str, Any], library: str
) -> tuple[ChangeKind | None, str]:
    """Name the way a candidate replaces what is missing, and the old form where that is more than its name."""
    if candidate["why"] == Grounds.ASKED:
        function = missing.holder.rpartition(".")[2]
        old = fixed_argument(_tree(failure.code), function, missing.name)
        return (ChangeKind.VARIANT, old) if old else (None, "")
    if candidate.get("joins") is True:
        return ChangeKind.JOINED, ""
    of_module = str(candidate["name"]).startswith(f"{library}.")
    if candidate["why"] in (Grounds.MOVED, Grounds.CAPTION) and of_module:
        return ChangeKind.FUNCTION, ""
    return missing.kind, ""


def _has_keyword(failure: ApiFailure, function: str, keyword: str) -> bool:
    """True if the failed call was given this keyword as well: then it replaces no other one."""
    return bool(fixed_argument(_tree(failure.code), function, keyword, of_any_value=True))


def _is_wanted(failure: ApiFailure) -> bool:
    """True if the code that was to be written uses the wanted API, and the failed code does not."""
    if not failure.wanted:
        return False
    *right, wrong = [attributes(_tree(code)) for code in (*failure.repaired, failure.code)]
    return failure.wanted not in wrong and any(failure.wanted in names for names in right)


def _candidates(answer: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = answer.get("candidates")
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _repairs(missing: MissingApi, failure: ApiFailure) -> Iterator[Replacement]:
    failed, called = parse_python(failure.code), plain_holder(missing)
    if failed is None:
        return
    for fixed in filter(None, map(parse_python, failure.repaired)):
        found = replacements(failed, fixed, missing.name, kind=missing.kind, called=called)
        with suppress(RecursionError):  # code may be parsed and yet nested too deeply to be written
            yield from list(found)


def plain_holder(missing: MissingApi) -> str:
    """Plain name of the class, module or function that lacks something; of a constructor its class."""
    return missing.holder.removesuffix(".__init__").rpartition(".")[2]


def _tree(code: str) -> ast.Module:
    """The code's syntax tree; an empty one of code that cannot be parsed."""
    return parse_python(code) or ast.Module(body=[], type_ignores=[])
