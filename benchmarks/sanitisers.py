"""Our sanitiser beside EvalPlus' own on recorded replies: where they differ, and for which reason.

Run: `pip install --target DIR --no-deps evalplus tree_sitter tree_sitter_python tqdm`, then
`PYTHONPATH=DIR .venv/bin/python -P benchmarks/sanitisers.py [RUNS ...]` (default: every
`samples.jsonl` and `attempts-*.jsonl` under `docs/runs`). Two codes are the same if their trees are:
layout and comments do not count. Prints a table of reasons, with one reply for each as an example, and
ends with 1 if a difference has no known reason.

EvalPlus' data loader wants Hugging Face's `datasets`; its sanitiser alone does not, and only that is
loaded.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import sys
import tempfile
import time
import types
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.drift.sets import load_tasks
from lab.drift.tasks import DriftTask
from learning.evaluation.humaneval import fetch_problems
from learning.evaluation.rows import read_json_lines
from learning.evaluation.sanitise import sanitised_code

ROOT = Path(__file__).resolve().parent.parent
SAME = "same"
UNKNOWN = "no known reason"

Sanitiser = Callable[[str, str], str]


@dataclass(frozen=True, slots=True)
class Recorded:
    """One reply and the function that it was to give."""

    source: str
    task_id: str
    entry_point: str
    reply: str


def evalplus_sanitiser() -> Sanitiser:
    """EvalPlus' `sanitize`.

    Raises:
        SystemExit: If it cannot be imported.
    """
    loader = types.ModuleType("evalplus.data")
    names = ("get_human_eval_plus", "get_mbpp_plus", "load_solutions", "write_directory")
    for name in (*names, "write_jsonl"):
        setattr(loader, name, None)
    sys.modules.setdefault("evalplus.data", loader)
    try:
        from evalplus.sanitize import sanitize  # type: ignore[import-not-found,unused-ignore]
    except ImportError as err:
        sys.exit(f"EvalPlus' sanitiser cannot be imported ({err}); see the head of this file")
    return lambda reply, entry_point: str(sanitize(reply, entrypoint=entry_point))


def recorded(paths: Sequence[Path], entry_points: dict[str, str]) -> Iterator[Recorded]:
    """The replies of runs, each once."""
    seen: set[tuple[str, str]] = set()
    for path in paths:
        for row in read_json_lines(path):
            task_id, reply = str(row.get("task_id")), str(row.get("reply", row.get("text", "")))
            entry_point = entry_points.get(task_id, "")
            if entry_point and (task_id, reply) not in seen:
                seen.add((task_id, reply))
                yield Recorded(path.parent.name, task_id, entry_point, reply)


def reason_of(reply: str, entry_point: str, ours: str, theirs: str) -> str:
    """Say why the codes differ, as far as it can be told; `SAME` if they do not."""
    mine, other = _tree(ours), _tree(theirs)
    if mine is not None and other is not None and _kept(mine) == _kept(other):
        return SAME
    ours_has, theirs_has = _defines(mine, entry_point), _defines(other, entry_point)
    checks = (
        (not ours_has and not theirs_has,
         "neither has the function (syntax error, or not written): ours gives the reply as it stands"),
        (not ours_has, "cut off in the middle: theirs keeps the half that parses, ours judges it whole"),
        (_without_return(mine, other), "theirs drops functions without a `return`"),
        (not theirs_has, "theirs lacks the function"),
        (_examples(other, mine, entry_point), "theirs keeps the values of an example"),
        (_decorated(mine), "theirs drops decorators"),
        (_defined(mine) > _defined(other), "ours keeps more that the function reads"),
        (_body(mine) == _body(other), "ours keeps statements that change what the function reads"),
    )  # fmt: skip
    return next((reason for holds, reason in checks if holds), UNKNOWN)


def _tree(code: str) -> ast.Module | None:
    try:
        return ast.parse(code)
    except (SyntaxError, ValueError):
        return None


def _kept(tree: ast.Module) -> list[str]:
    return sorted(ast.dump(node) for node in tree.body)


def _names(node: ast.stmt) -> set[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return {name}
        case ast.Assign() | ast.AnnAssign():
            return {
                item.id
                for item in ast.walk(node)
                if isinstance(item, ast.Name) and isinstance(item.ctx, ast.Store)
            }
        case _:
            return set()


def _defined(tree: ast.Module | None) -> set[str]:
    return set().union(*map(_names, tree.body)) if tree else set()


def _defines(tree: ast.Module | None, name: str) -> bool:
    return name in _defined(tree)


def _functions(tree: ast.Module | None) -> list[ast.FunctionDef]:
    return [node for node in (tree.body if tree else []) if isinstance(node, ast.FunctionDef)]


def _without_return(mine: ast.Module | None, other: ast.Module | None) -> bool:
    missing = _defined(mine) - _defined(other)
    return any(
        node.name in missing and not any(isinstance(i, ast.Return) for i in ast.walk(node))
        for node in _functions(mine)
    )


def _decorated(tree: ast.Module | None) -> bool:
    return any(node.decorator_list for node in _functions(tree))


def _examples(more: ast.Module | None, less: ast.Module | None, entry_point: str) -> bool:
    """True if all that is more are values, none of which ours found the function to read."""
    extra = _defined(more) - _defined(less)
    functions = {node.name for node in _functions(more)}
    return bool(extra or _twice(more)) and entry_point not in extra and not extra & functions


def _twice(tree: ast.Module | None) -> bool:
    names = [name for node in (tree.body if tree else []) for name in _names(node)]
    return len(names) > len(set(names))


def _body(tree: ast.Module | None) -> list[str]:
    return [ast.dump(node) for node in (tree.body if tree else []) if _names(node)]


def main() -> int:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("runs", nargs="*", type=Path)
    given = parser.parse_args().runs
    runs = ROOT / "docs" / "runs"
    paths = given or sorted([*runs.rglob("samples.jsonl"), *runs.rglob("attempts-*.jsonl")])
    theirs = evalplus_sanitiser()
    reasons: Counter[str] = Counter()
    examples: dict[str, Recorded] = {}
    spent = {"ours": 0.0, "theirs": 0.0}
    for item in recorded(paths, _entry_points()):
        codes = []
        for side, sanitise in (("ours", sanitised_code), ("theirs", theirs)):
            started = time.perf_counter()
            codes.append(sanitise(item.reply, item.entry_point))
            spent[side] += time.perf_counter() - started
        reason = reason_of(item.reply, item.entry_point, *codes)
        reasons[reason] += 1
        examples.setdefault(reason, item)
    _print(reasons, examples, spent)
    return 1 if reasons[UNKNOWN] else 0


def _entry_points() -> dict[str, str]:
    tasks: list[DriftTask] = []
    for folder in ("drift", "drift-tools"):
        tasks += load_tasks(ROOT / "lab" / "data" / folder)
    with tempfile.TemporaryDirectory() as scratch:
        problems = fetch_problems(Path(scratch), environ=os.environ)
    return {item.id: item.entry_point for item in tasks} | {
        item.task_id: item.entry_point for item in problems
    }


def _print(reasons: Counter[str], examples: dict[str, Recorded], spent: dict[str, float]) -> None:
    for reason, count in reasons.most_common():
        item = examples[reason]
        print(f"{count:5}  {reason}  (e.g. {item.source}, {item.task_id})")
    total = reasons.total()
    print(f"{total:5}  replies; ours {spent['ours']:.1f} s, theirs {spent['theirs']:.1f} s")
    print(json.dumps({"replies": total, "reasons": reasons, "seconds": spent}))


if __name__ == "__main__":
    sys.exit(main())
