"""A git repository with the real command line in it; at most the model is scripted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.fakes.openai_server import FakeServer, Scripted, serve, text

PROGRAM = Path(__file__).resolve().parents[2] / "elagent.py"
AUTHOR = ("-c", "user.name=u", "-c", "user.email=u@example.org")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a command ended, and all that it printed."""

    code: int
    output: str

    @property
    def verdict(self) -> str:
        """The last line, without the time that the tests took."""
        return self.output.rstrip().rpartition("\n")[2].partition(" in ")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """Files under git, and a home for the program that is used on them."""

    root: Path
    home: Path

    @classmethod
    def made(cls, root: Path, *, home: Path) -> Self:
        root.mkdir()
        home.mkdir()
        made = cls(root=root, home=home)
        made.git("init", "-q", "-b", "main")
        return made

    def git(self, *args: str) -> None:
        command = ["git", *AUTHOR, *args]
        subprocess.run(command, cwd=self.root, check=True, capture_output=True)

    def put(self, files: Mapping[str, str | bytes]) -> None:
        for path, content in files.items():
            file = self.root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content.encode() if isinstance(content, str) else content)

    def commit(self, files: Mapping[str, str | bytes]) -> None:
        self.put(files)
        self.git("add", "-A", "-f")
        self.git("commit", "-qm", "start")

    def read(self, path: str) -> bytes:
        return (self.root / path).read_bytes()

    def names(self) -> set[str]:
        inside = (p.relative_to(self.root) for p in self.root.rglob("*") if p.is_file())
        return {str(path) for path in inside if path.parts[0] != ".git"}

    def elagent(self, *args: str, folder: str = ".", model: str | None = None) -> Ended:
        environ = {**os.environ, "ELAGENT_HOME": str(self.home), "ELAGENT_SANDBOX_IMAGE": "lite"}
        done = subprocess.run(
            [sys.executable, str(PROGRAM), *args],
            cwd=self.root / folder, env=environ | ({"ELAGENT_MODEL": model} if model else {}),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, timeout=300, check=False,
        )  # fmt: skip
        return Ended(code=done.returncode, output=done.stdout)

    def scripted(self, replies: list[Scripted], *args: str) -> Ended:
        """Run with a model that gives these replies in turn, the last one for ever."""
        models: list[dict[str, object]] = [{"id": "scripted", "max_model_len": 32768}]
        with serve(FakeServer(script=list(replies), models=models)) as server:
            return self.elagent(*args, "--model", "scripted", "--base-url", server.url)

    def asked(self, request: str, *replies: str) -> Ended:
        return self.scripted([text(reply) for reply in replies], "-p", request)


def fenced(path: str, content: str) -> str:
    return f"{path}\n```\n{content}```\n"


def call(name: str, **arguments: str) -> str:
    return f"<tool_call>{json.dumps({'name': name, 'arguments': arguments})}</tool_call>\n"


def streamed(*deltas: Mapping[str, object], finish: str = "stop") -> Scripted:
    """A stream of exactly these deltas, as servers of other makes send them."""
    choices: list[dict[str, object]] = [{"delta": delta, "finish_reason": None} for delta in deltas]
    choices.append({"delta": {}, "finish_reason": finish})
    events = [json.dumps({"choices": [choice]}) for choice in choices]
    return Scripted(raw="".join(f"data: {event}\n\n" for event in [*events, "[DONE]"]).encode())
