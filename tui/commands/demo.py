"""`elagent demo`: the whole product once, on a small broken package that comes with elagent.

Every line after a `$` is a command that a person could type.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import click

import tui
from agent.errors import AgentError
from agent.library.extra import problem
from agent.paths import from_environ
from elagent import command

_MODEL = "qwen2.5-coder-1.5b"
_NOT_SOLVED = 1
_AUTHOR = ("user.name=demo", "user.email=demo@localhost", "commit.gpgsign=false")


@click.command(help="Repair a small broken package in a scratch folder, and learn from it.")
@click.option("--model", default=_MODEL, envvar="ELAGENT_MODEL", show_default=True, metavar="NAME")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="ELAGENT_DEMO_DIR",
    metavar="DIR",
    help="Where the scratch folder is made. [elagent's cache]",
)
def demo(*, model: str, folder: Path | None) -> int:
    started = time.monotonic()
    _step("1/5  The sandbox: where all code of the project runs")
    _run(model, None, "sandbox", "build")
    _step(f"2/5  The model: {model}")
    _run(model, None, "models", "pull", model)
    _step("3/5  A broken package, copied to a scratch folder under git")
    scratch = _scratch(folder or _cache())
    click.echo(scratch)
    _step("4/5  Repair it: at most two attempts a failure")
    # What stays red is an honest result: it is shown, and the demo goes on.
    _run(model, scratch, "run-tests", "--fix", "--max-attempts", "2", bearable=_NOT_SOLVED)
    _step("5/5  Learn from it: at most 8 passes of at most 512 tokens")
    if lacks := problem("Learning"):
        click.echo(lacks)
    else:
        _run(model, scratch, "learn", "--max-examples", "8", "--max-tokens", "512")
    minutes, seconds = divmod(round(time.monotonic() - started), 60)
    _step(f"Done in {minutes} min {seconds} s")
    click.echo(_farewell(scratch))
    return 0


def _step(text: str) -> None:
    click.echo()
    click.secho(f"== {text}", bold=True)


def _run(model: str, folder: Path | None, *words: str, bearable: int = 0) -> None:
    """Show and run one command of elagent.

    Raises:
        click.exceptions.Exit: With the command's exit code, if it is neither 0 nor `bearable`.
    """
    click.echo(f"$ elagent {' '.join(words)}")
    # The learner needs the memory that an idle model server would keep.
    environ = {"ELAGENT_MODEL_IDLE_S": "0", **os.environ, "ELAGENT_MODEL": model}
    code = subprocess.run([*command(), *words], cwd=folder, env=environ, check=False).returncode
    if code not in (0, bearable):
        raise click.exceptions.Exit(code)


def _scratch(parent: Path) -> Path:
    """A new folder with the package in it, as the first commit of a repository.

    Raises:
        AgentError: If git is not installed.
    """
    if shutil.which("git") is None:
        raise AgentError("the demo works under git, which is not installed; install it first")
    parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="warehouse-", dir=parent))
    own = shutil.ignore_patterns("__pycache__")
    shutil.copytree(_package(), folder, ignore=own, dirs_exist_ok=True)
    for words in (
        ("init", "-q"),
        ("add", "-A"),
        (
            *(word for each in _AUTHOR for word in ("-c", each)),
            "commit",
            "-qm",
            "Start of the demo",
        ),
    ):
        subprocess.run(["git", "-C", str(folder), *words], check=True)  # noqa: S607
    return folder


def _package() -> Path:
    """The broken package: beside the front end when installed, in `examples` in a clone."""
    here = Path(tui.__file__).resolve().parent
    return next(
        place
        for place in (here / "examples" / "warehouse", here.parent / "examples" / "warehouse")
        if place.is_dir()
    )


def _cache() -> Path:
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "elagent" / "demo"


def _farewell(scratch: Path) -> str:
    return f"""\
The repaired package:   {scratch}    (git diff shows what changed)
Models, experiences,
adapters, log:          {from_environ(os.environ).home}

What to type next:
  cd {scratch}
  elagent experiences ls      what was captured
  elagent adapters ls         what was learned, and why it is not in use
  elagent undo                put the package back as it was
  elagent                     talk to the assistant"""
