"""Runs inside the box: asks what an installed library has in the place of something that is not there.

Reads orders as JSON from standard input: `nonce` and `questions`, each with the `kind` (`attribute` of
a module, `class_attribute` of a class, `call` with a wrong keyword), the `holder`, the missing `name`,
the `modules` that the code imports, `said`, names that the error itself mentions, the `request` in words,
and of a keyword `given`, the type of its value. Writes one line: the nonce and, for each question,
candidates with what speaks for them.
"""

from __future__ import annotations

import importlib
import inspect
import json
import os
import re
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))  # the programs lie side by side in the box
introspect = importlib.import_module("introspect")
callables, classes = introspect.callables, introspect.classes
resolved, version = introspect.resolved, introspect.version
words = importlib.import_module("library_words")
about_of, documentation_of = words.about_of, words.documentation_of

_MOST = 6
_SHORTEST_SHARED = 3

Answer = dict[str, Any]


def main() -> None:
    """Answer every question; one that cannot be answered has no candidates."""
    out = os.dup(1)
    os.dup2(2, 1)
    warnings.simplefilter("ignore")
    orders = json.load(sys.stdin)
    answers = []
    for question in orders["questions"]:
        try:
            answers.append(_answer(question))
        except Exception as err:  # noqa: BLE001 - a library may raise anything when it is looked at
            answers.append({"holder": "", "candidates": [], "fault": repr(err)[:200]})
    os.write(out, f"{orders['nonce']} {json.dumps(answers)}\n".encode())


def _answer(question: Answer) -> Answer:
    name, said = str(question["name"]), [str(item) for item in question["said"]]
    for dotted, holder in _holders(question):
        top = dotted.partition(".")[0]
        if question["kind"] == "call":
            names = _parameters(holder)
            docs = words.parameter_texts(holder, names)
        else:
            if name and _has(holder, name):
                continue
            names = [each for each in dir(holder) if not each.startswith("_")]
            docs = {each: documentation_of(holder, each) for each in names}
        near = list(_candidates(name, names, docs, said))
        module = sys.modules.get(top)
        if question["kind"] == "class_attribute":
            is_namespace = "namespace" in dotted.lower()
            if not is_namespace and callable(getattr(module, name, None)):
                about = about_of(module, name)
                near.append({"name": f"{top}.{name}", "why": "moved", "about": about})
            near += _in_namespaces(holder, name, question["modules"])
            near += words.captioned(module, top, holder, name)
        elif question["kind"] == "call":
            near += words.described(holder, name, docs, str(question["given"]))
            near += words.asked_for(dotted, str(question["request"]))
        near.sort(key=lambda item: -_WEIGHT[item["why"]])
        return {
            "holder": dotted,
            "library": top,
            "version": version(top),
            "candidates": near[:_MOST],
        }
    return {"holder": "", "candidates": []}


_GROUNDS = (
    *("said", "documented", "alias", "described", "asked", "caption"),
    *("spelling", "moved"),
)
_WEIGHT = {grounds: -place for place, grounds in enumerate(_GROUNDS)}


def _holders(question: Answer) -> Iterator[tuple[str, Any]]:
    holder, modules = str(question["holder"]), [str(item) for item in question["modules"]]
    if question["kind"] == "attribute":
        found = resolved(holder)
        if found is not None:
            yield holder, found
    elif question["kind"] == "class_attribute":
        yield from classes(holder, modules)
    else:
        asked = {"candidates": question["called"], "modules": modules}
        yield from callables(holder.removesuffix(".__init__"), asked)


def _candidates(
    name: str, names: list[str], docs: dict[str, str], said: list[str]
) -> Iterator[Answer]:
    word = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)") if name else None
    twin = _other_last_word(name, names, docs)
    for each in names:
        if each == name:
            continue
        documentation = docs.get(each, "")
        why = ""
        if each in said:
            why = "said"
        elif word is not None and _renamed(word, documentation):
            why = "documented"
        elif word is not None and _renamed(word, documentation, cue=_CALLED_ELSEWHERE):
            why = "alias"
        elif name and (each == twin or _is_spelled_like(name, each)):
            why = "spelling"
        if why:
            yield {"name": each, "why": why, "about": words.first_sentence(documentation)}


_CHANGED = re.compile(r"(?i)renamed|deprecated|formerly|previously")
_CALLED_ELSEWHERE = re.compile(r"(?i)other (?:frameworks|libraries|languages|tools)|\bknown as\b")


def _renamed(word: re.Pattern[str], documentation: str, cue: re.Pattern[str] = _CHANGED) -> bool:
    """True if the documentation quotes the missing name in a sentence about a change, or of another cue."""
    return any(
        any(_is_quoted(line, match) for match in word.finditer(line)) and cue.search(line)
        for line in re.split(r"\n\s*\n|\.\s", documentation)
    )


def _is_quoted(line: str, match: re.Match[str]) -> bool:
    before = line[: match.start()].rstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_")
    return before.endswith((".", "`", "'", '"'))


def _other_last_word(name: str, names: list[str], docs: dict[str, str]) -> str:
    """The only name that differs in its last part alone, if its documentation has the missing part."""
    start, _, last = name.rpartition("_")
    others = [each for each in names if each != name and each.rpartition("_")[0] == start]
    if "_" not in start or len(others) != 1:
        return ""
    is_said = re.search(rf"(?i)\b{re.escape(last)}\b", docs.get(others[0], ""))
    return others[0] if last and is_said else ""


def _is_spelled_like(one: str, other: str) -> bool:
    """True for the same letters, and if the one is a short form of the other."""
    a, b = one.replace("_", "").lower(), other.replace("_", "").lower()
    if a == b:
        return True
    is_short = _SHORTEST_SHARED <= len(a) < len(b)
    return is_short and b.startswith(a[:_SHORTEST_SHARED]) and _is_within(a, b)


def _is_within(short: str, long: str) -> bool:
    rest = iter(long)
    return all(letter in rest for letter in short)


def _parameters(target: Any) -> list[str]:  # noqa: ANN401
    try:
        return [name for name in inspect.signature(target).parameters if name != "self"]
    except (TypeError, ValueError):
        return []


def _has(holder: Any, name: str) -> bool:  # noqa: ANN401
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            getattr(holder, name)
    except Exception:  # noqa: BLE001 - removed names raise errors of all kinds
        return False
    return True


def _in_namespaces(holder: Any, name: str, modules: list[object]) -> Iterator[Answer]:  # noqa: ANN401
    """The same name in a namespace of the class, such as `name.suffix` of an expression."""
    for each in dir(holder):
        found = getattr(holder, each, None) if not each.startswith("_") else None
        if not isinstance(found, property) or found.fget is None:
            continue
        returned = found.fget.__annotations__.get("return", "")
        typed = str(getattr(returned, "__name__", returned)).rpartition(".")[2]
        for _, namespace in classes(typed, modules) if typed.isidentifier() else ():
            if namespace.__module__.partition(".")[0] != "builtins" and hasattr(namespace, name):
                about = about_of(namespace, name)
                yield {"name": f"{each}.{name}", "why": "moved", "about": about}
                break


if __name__ == "__main__":
    main()
