"""A model's edits take no way around a question, and none is locked in."""

from __future__ import annotations

import pytest

from tests.cases.repository import Repository, call
from tests.fakes.openai_server import text

pytestmark = pytest.mark.slow

CALC = "def add(a, b):\n    return a - b\n"
RUN_BY_TOOLS = (".vscode/tasks.json", ".claude/settings.json", ".mcp.json", ".envrc")


def test_what_tools_on_the_host_execute_is_not_written_unasked(repository: Repository) -> None:
    hook = "#!/bin/sh\nexit 0\n"
    repository.git("config", "core.hooksPath", ".githooks")
    repository.put({"calc.py": CALC, ".githooks/pre-commit": hook})
    (repository.root / ".githooks" / "pre-commit").chmod(0o755)
    repository.commit({})
    hostile = "#!/bin/sh\ntouch PWNED\nexit 0\n"
    writes = call("write_file", path=".githooks/pre-commit", content=hostile) + "".join(
        call("write_file", path=path, content="{}\n") for path in RUN_BY_TOOLS
    )
    repository.asked(
        "fix add in calc.py", "```sh\ncat .githooks/pre-commit\n```\n", writes, "Done."
    )
    repository.commit({"calc.py": CALC + "\n"})
    assert repository.names() == {"calc.py", ".githooks/pre-commit"}
    assert repository.read(".githooks/pre-commit") == hook.encode()


def test_an_edit_of_the_settings_does_not_lock_undo(repository: Repository) -> None:
    settings = b"[sandbox]\ntimeout_s = 60\n"
    repository.commit({".elagent.toml": settings, "calc.py": "x = 1\n"})
    wrong = "[sandbox]\ntimeout_s = 6000\n"
    replies = [
        call("read_file", path=".elagent.toml"),
        call("write_file", path=".elagent.toml", content=wrong),
        "Done.",
    ]
    repository.scripted([text(reply) for reply in replies], "-p", "tests are slow", "--trust")
    repository.elagent("undo")
    assert repository.read(".elagent.toml") == settings
