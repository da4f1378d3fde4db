"""Measures drafts and branches: llama.cpp as it is served, against itself without them, in one run.

Run: `.venv/bin/python -P benchmarks/decoding.py ROWS.jsonl [--model NAME] [--kinds edit,fill,chat]
[--tasks N] [--tokens N]`. The two arms take turns on the same prompt, so that other work on the machine
meets both. Kinds: `edit` asks for a whole file with one change, `chat` for an answer that copies
nothing, both made with drafts and token by token; `fill` makes eight fills of one gap, as one batch and
as eight requests. Every task appends one row; tasks with a row are not run again. Prints, for each
kind, the ratio of the arms' tokens per second, and how many replies were the same to the token.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from agent.paths import from_environ
from learning.model.chat import ChatFormat
from learning.model.llama.binding import BRANCHES, GenerationRequest, Piece
from learning.model.llama.process import LlamaProcess
from learning.model.resolve import resolve
from learning.records import Message, Sampling

ROOT = Path(__file__).resolve().parent.parent
CONTEXT = 8192
GREEDY = Sampling(temperature=0.0)
FILES = (
    "learning/model/engine_thread.py",
    "learning/model/access.py",
    "learning/model/sources/hub.py",
    "learning/model/http_protocol.py",
    "agent/model/values.py",
    "agent/model/process_work.py",
    "agent/model/asking_anew.py",
    "learning/model/processor.py",
)
EDITS = (
    "Add a line `import logging` behind the other imports.",
    "Rename the first function or method of the file, and its uses, to `begin_work`.",
    "Add a parameter `verbose: bool = False` to the first function of the file.",
    "Add a docstring to the first function that has none.",
)
QUESTIONS = (
    "Explain in a few sentences how Python finds the method that a call means.",
    "What is the difference between a process and a thread?",
    "Write a function that gives the longest palindrome in a text.",
    "How does git store a file that did not change between two commits?",
    "Write a class for a queue with a greatest length, and say when it blocks.",
    "Why does 0.1 + 0.2 differ from 0.3?",
)
Row = dict[str, Any]


class Bench:
    """One loaded model, and the two arms of each kind of task."""

    def __init__(self, llama: LlamaProcess, chat: ChatFormat, tokens: int) -> None:
        self._llama, self._chat, self._tokens = llama, chat, tokens

    def edit(self, number: int) -> Row:
        """A whole file with one change."""
        path = FILES[number % len(FILES)]
        code = (ROOT / path).read_text(encoding="utf-8")
        wish = EDITS[(number // len(FILES) + number) % len(EDITS)]
        text = (
            f"{path}:\n```python\n{code}```\n\n{wish} Reply with the whole file in one code block."
        )
        return self._replies(number, text)

    def chat(self, number: int) -> Row:
        """An answer that copies nothing."""
        return self._replies(number, QUESTIONS[number % len(QUESTIONS)])

    def fill(self, number: int) -> Row:
        """Eight fills of one hidden line, each arm from a prompt that nobody has read."""
        lines = (ROOT / FILES[number % len(FILES)]).read_text(encoding="utf-8").splitlines()
        place = len(lines) // 2 + number // len(FILES)
        row: Row = {}
        found = {}
        ids: list[int] = []
        for arm in self._arms(number, "together", "apart"):
            head = f"# {arm[0]}{number:04d}\n" + "\n".join(lines[:place]) + "\n"
            ids = self._gap(head, "\n" + "\n".join(lines[place + 1 :]))
            job = GenerationRequest(ids=ids, limit=self._tokens // 8, sampling=GREEDY)
            started = time.perf_counter()
            firsts = [item.token.id for item in self._llama.candidates(job, shown_id=0)[:BRANCHES]]
            read = time.perf_counter()
            made = (self._together if arm == "together" else self._apart)(job, firsts)
            row[f"{arm}_s"] = time.perf_counter() - read
            row[f"{arm}_read_s"] = read - started
            row[f"{arm}_tokens"] = sum(map(len, made)) + len(firsts)
            found[arm] = made
        same = sum(a == b for a, b in zip(found["together"], found["apart"], strict=True))
        return {**row, "prompt": len(ids), "same": same, "of": BRANCHES}

    def _together(self, job: GenerationRequest, firsts: list[int]) -> list[list[int]]:
        made: list[list[int]] = [[] for _ in firsts]
        for index, token in self._llama.branches(job, firsts, lambda _: False):
            made[index].append(token.id)
        return made

    def _apart(self, job: GenerationRequest, firsts: list[int]) -> list[list[int]]:
        return [
            self._ids(
                GenerationRequest(
                    ids=[*job.ids, first], limit=job.limit, sampling=GREEDY, drafts=False
                )
            )[0]
            for first in firsts
        ]

    def _replies(self, number: int, text: str) -> Row:
        """One reply with drafts and one without, each timed from its first token on."""
        ids = self._chat.encode((Message(role="user", content=text),))
        self._ids(GenerationRequest(ids=ids, limit=1, sampling=GREEDY))  # both arms find it read
        row: Row = {"prompt": len(ids)}
        found = {}
        for arm in self._arms(number, "drafts", "plain"):
            job = GenerationRequest(
                ids=ids, limit=self._tokens, sampling=GREEDY, drafts=arm == "drafts"
            )
            started = time.perf_counter()
            found[arm], pieces = self._ids(job)
            row[f"{arm}_s"] = time.perf_counter() - started
            row[f"{arm}_tokens"] = len(found[arm])
            if arm == "drafts":
                row["drafted"] = sum(piece.drafted for piece in pieces)
                row["accepted"] = sum(piece.accepted for piece in pieces)
        pairs = zip(found["drafts"], found["plain"], strict=False)
        row["differs_at"] = next((n for n, (a, b) in enumerate(pairs) if a != b), None)
        return {**row, "same": int(found["drafts"] == found["plain"]), "of": 1}

    def _ids(self, job: GenerationRequest) -> tuple[list[int], list[Piece]]:
        pieces = list(self._llama.run(job, lambda: False))
        return [token.id for piece in pieces for token in piece.tokens], pieces

    def _gap(self, prefix: str, suffix: str) -> list[int]:
        marks = ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>")
        before, after, middle = (self._chat.tokenizer.token_to_id(mark) or 0 for mark in marks)
        parts = self._chat.encode_text(prefix), self._chat.encode_text(suffix)
        return [before, *parts[0], after, *parts[1], middle]

    @staticmethod
    def _arms(number: int, first: str, second: str) -> tuple[str, str]:
        """The arm that comes first changes from task to task."""
        return (first, second) if number % 2 == 0 else (second, first)


def rows_of(path: Path) -> list[Row]:
    """The rows of earlier runs; one that was cut off while it was written is left out."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("}")]


def measure(bench: Bench, kinds: list[str], tasks: int, path: Path) -> Iterator[Row]:
    """Run what has no row yet and append it."""
    done = {(row["kind"], row["task"]) for row in rows_of(path)}
    todo: list[tuple[str, int]] = [(kind, task) for task in range(tasks) for kind in kinds]
    for kind, task in todo:
        if (kind, task) in done:
            continue
        run: Callable[[int], Row] = getattr(bench, kind)
        row = {"kind": kind, "task": task, **run(task)}
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        yield row


def report(rows: list[Row]) -> dict[str, Any]:
    """Per kind: median and range of the ratio in tokens per second, and equal replies."""
    result: dict[str, Any] = {}
    arms = {"edit": ("drafts", "plain"), "chat": ("drafts", "plain"), "fill": ("together", "apart")}
    for kind, (new, old) in arms.items():
        found = [row for row in rows if row["kind"] == kind]
        if not found:
            continue
        ratios = [speed(row, new) / speed(row, old) for row in found]
        result[kind] = {
            "tasks": len(found),
            "ratio": round(statistics.median(ratios), 2),
            "least": round(min(ratios), 2),
            "most": round(max(ratios), 2),
            "in_all": round(total(found, new) / total(found, old), 2),
            "same": sum(row["same"] for row in found),
            "of": sum(row["of"] for row in found),
        }
        print(
            f"{kind}: {new} / {old} {result[kind]['ratio']} "
            f"({result[kind]['least']}-{result[kind]['most']}), in all {result[kind]['in_all']}; "
            f"{result[kind]['same']} of {result[kind]['of']} the same to the token"
        )
    return result


def speed(row: Row, arm: str) -> float:
    return float(row[f"{arm}_tokens"] / row[f"{arm}_s"])


def total(rows: list[Row], arm: str) -> float:
    """Tokens per second over all rows."""
    return float(sum(row[f"{arm}_tokens"] for row in rows) / sum(row[f"{arm}_s"] for row in rows))


def main() -> None:
    """Measure, append and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=Path)
    parser.add_argument("--model", default=os.environ.get("ELAGENT_MODEL", "qwen2.5-coder-1.5b"))
    parser.add_argument("--kinds", default="edit,fill,chat")
    parser.add_argument("--tasks", type=int, default=4, help="of each kind")
    parser.add_argument("--tokens", type=int, default=256, help="at most, in a reply")
    options = parser.parse_args()
    model = resolve(options.model, from_environ(os.environ).models)
    if model.gguf is None or model.hf is None:
        parser.error(f"{model.name} has no GGUF file")
    threads = len(os.sched_getaffinity(0))
    with closing(
        LlamaProcess(model.gguf, context_length=CONTEXT, threads=threads, adapters=())
    ) as llama:
        bench = Bench(llama, ChatFormat.load(model.hf), options.tokens)
        for row in measure(bench, options.kinds.split(","), options.tasks, options.rows):
            print(json.dumps(row), flush=True)
    result = report(rows_of(options.rows))
    print(json.dumps({"model": model.name, "load": os.getloadavg(), **result}))


if __name__ == "__main__":
    main()
