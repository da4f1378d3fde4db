"""The command line: its commands and exit codes.

A command's module is imported when the command runs, so that `--help` stays fast; the one-line
descriptions stand here for the same reason. `run` has one of the three broad `except` clauses.
"""

from __future__ import annotations

import errno
import importlib
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from types import ModuleType

import click

EXIT_CODES = """\b
Exit codes:
  0    done: the tests pass, the round ended with a decision
  1    not solved: tests fail, none passed, or not all could run
  2    wrong usage or configuration, or a folder that needs --here
  3    the environment is not usable: no Docker, no model, too little memory,
      no torch to learn with, an image without what tests need, another
      elagent that edits here, a team's store that does not answer or does
      not allow it
  70   a fault in elagent itself; the log file says more
  130  interrupted
"""

EXIT_USAGE = 2
EXIT_ENVIRONMENT = 3
EXIT_FAULT = 70
EXIT_INTERRUPTED = 130

COMMANDS = {
    "run-tests": ("run_tests", "Run the tests in the sandbox; with --fix, repair what fails."),
    "learn": ("learn", "Turn what was captured into an adapter, and decide whether to use it."),
    "init": ("init", "Write a first AGENTS.md: tests, layout and tools of a repository."),
    "undo": ("undo", "Put the files back as they were before the last change."),
    "redo": ("undo", "Take back the last undo."),
    "diff": ("undo", "Show what the last change did."),
    "experiences": ("experiences", "Show, forget or export what was captured."),
    "adapters": ("adapters", "Show, use or roll back what was learned."),
    "team": ("team", "Share experiences and adapters with a team that you joined."),
    "models": ("models", "Show, fetch or remove models."),
    "eval": ("lab.cli", "Measure models: benchmarks, and comparisons task by task."),
    "serve": ("serve", "Serve a model on loopback, speaking the OpenAI-compatible API."),
    "watch": ("watch", "Do what comments such as `# elagent: ...` in saved files ask for."),
    "acp": ("acp", "Hold the conversation in an editor that speaks ACP, such as Zed."),
    "mcp": ("mcp", "Serve tests and repairs of a repository to another agent (MCP)."),
    "sandbox": ("sandbox", "Build, show or clean up sandbox images; run something in one."),
    "sessions": ("sessions", "Show, search and export past sessions."),
    "purge": ("purge", "Show what is kept of each repository, and remove it."),
    "config": ("config", "Show, explain and change the settings."),
    "demo": ("demo", "Repair a small broken package in a scratch folder, and learn from it."),
    "doctor": ("doctor", "Check what this machine can do and say how to mend what it cannot."),
    "completion": ("completion", "Print the shell completion script for bash, zsh or fish."),
}
"""The module of each command (in tui.commands, if no package is named) and its description."""


class LazyGroup(click.Group):
    """A group that imports a command's module only to run it or to show its own help."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        loaded = _import(cmd_name, COMMANDS[cmd_name][0])
        command = getattr(loaded, cmd_name.replace("-", "_"))
        assert isinstance(command, click.Command)  # noqa: S101 - each module defines its command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in COMMANDS and not name.startswith("-") and not ctx.resilient_parsing:
            raise click.UsageError(f"there is no command {name!r}{_nearest(name)}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


def _nearest(name: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, COMMANDS, n=1)
    return f"; did you mean `elagent {near[0]}`?" if near else ""


def _import(command: str, module: str) -> ModuleType:
    name = module if "." in module else f"tui.commands.{module}"
    package = name.partition(".")[0]
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as err:
        if err.name != package:
            raise
        message = f"`elagent {command}` comes with the package {package}, which is not installed"
        raise click.UsageError(message) from err


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=EXIT_CODES,
)
@click.option("-p", "--print", "task", metavar="TASK", help="Do one task and end ('-' reads it).")
@click.option("--json", "as_json", is_flag=True, help="With -p: print events as JSON lines.")
@click.option(
    "--mode",
    type=click.Choice(["ask", "auto", "plan"]),
    help="ask before each change, allow what can be undone (default), or only read.",
)
@click.option("--model", "model_name", metavar="NAME", help="Model name, folder or GGUF file.")
@click.option("--base-url", metavar="URL", help="Use this OpenAI-compatible server instead.")
@click.option(
    "--memory",
    type=click.Choice(["off", "hints"]),
    help="Show lessons of earlier repairs here to the model, or leave them off. [hints]",
)
@click.option("--repl", is_flag=True, help="Talk in a plain line loop, not full-screen.")
@click.option(
    "--resume",
    is_flag=False,
    flag_value="last",
    metavar="[ID]",
    help="Go on with the last session, or with the one of this id.",
)
@click.option("--commit", is_flag=True, help="Make a commit of each accepted turn.")
@click.option("--hooks", is_flag=True, help="With --commit: let hooks run, after one question.")
@click.option(
    "--trust", is_flag=True, help="Read this repository's own settings, commands, AGENTS.md."
)
@click.option("--here", is_flag=True, help="Work here, even if this is a home or no project.")
@click.option("--version", "show_version", is_flag=True, help="Show the version and end.")
@click.option("--verbose", is_flag=True, help="With --version: all that a bug report should tell.")
@click.pass_context
def cli(
    ctx: click.Context,
    *,
    task: str | None,
    as_json: bool,
    mode: str | None,
    model_name: str | None,
    base_url: str | None,
    memory: str | None,
    repl: bool,
    resume: str | None,
    commit: bool,
    hooks: bool,
    trust: bool,
    here: bool,
    show_version: bool,
    verbose: bool,
) -> None:
    """A terminal coding assistant that learns from tool output.

    Without a command it opens a conversation about the repository in the current folder. All code
    of the project runs in a Docker sandbox without network; nothing leaves this machine unasked.
    """
    if show_version:
        _show_version(verbose=verbose)
        ctx.exit(0)
    if verbose:
        raise click.UsageError("--verbose belongs to --version")
    if ctx.invoked_subcommand is not None:
        own = (
            task is not None,
            as_json,
            mode,
            model_name,
            base_url,
            memory,
            repl,
            resume,
            commit,
            hooks,
        )
        if any(own):
            message = "options before a command belong to the conversation; put them after it"
            raise click.UsageError(message)
        return
    from tui.commands.talk import talk

    ctx.exit(
        talk(
            task=task,
            as_json=as_json,
            mode=mode,
            model_name=model_name,
            base_url=base_url,
            memory=memory,
            repl=repl,
            resume=resume,
            commit=commit,
            hooks=hooks,
            here=here,
        )
    )


def _show_version(*, verbose: bool) -> None:
    if not verbose:
        click.echo(f"elagent {version('elagent')}")
        return
    from agent.library.about import about

    for name, what in about():
        click.echo(f"{name:16}{what}")


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line and end the process with a documented exit code."""
    from tui.leaving import end_on_signals, leave

    end_on_signals()
    leave(run(argv))


def run(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code; print each failure as one sentence."""
    from agent.errors import EXPECTED, ConfigError, PlaceError

    try:
        result = cli.main(args=argv, prog_name="elagent", standalone_mode=False)
    except click.exceptions.Exit as err:
        result = err.exit_code
    except click.ClickException as err:
        err.show()
        result = EXIT_USAGE
    except (KeyboardInterrupt, click.Abort):
        result = _say("interrupted", EXIT_INTERRUPTED)
    except EXPECTED as err:
        code = EXIT_USAGE if isinstance(err, ConfigError | PlaceError) else EXIT_ENVIRONMENT
        result = _say(f"elagent: {err}", code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        result = 0
    except Exception as err:  # noqa: BLE001 - the outermost edge of the process
        result = _report_fault(err)
    return result if isinstance(result, int) else 0


def _say(sentence: str, code: int) -> int:
    click.echo(sentence, err=True)
    return code


_IMPOSSIBLE_NAMES = {
    errno.ENAMETOOLONG: "a name is longer than this file system takes; give a shorter one",
    errno.ELOOP: "a symbolic link leads back to itself; give another path, or remove the link",
}
"""Errors of names, given on the command line or in a setting, that no file can have."""
_SHOWN_CHARACTERS = 200


def _report_fault(err: Exception) -> int:
    import traceback

    if isinstance(err, OSError) and (reason := _IMPOSSIBLE_NAMES.get(err.errno or 0)):
        from agent.text import display_safe

        name = display_safe(str(err.filename))[-_SHOWN_CHARACTERS:]
        return _say(f"elagent: {reason} (…{name})", EXIT_USAGE)

    from agent.paths import from_environ
    from agent.session.logs import append_fault

    log_file = from_environ(os.environ).log_file
    text = "".join(traceback.format_exception(err))
    place = append_fault(log_file, f"elagent {version('elagent')}\n{text}")
    where = f"; details in {place}" if place else f"\n{text}"
    click.echo(f"elagent: a fault in elagent itself: {type(err).__name__}: {err}{where}", err=True)
    return EXIT_FAULT
