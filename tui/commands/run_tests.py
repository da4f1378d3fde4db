"""`elagent run-tests`: runs the tests in the sandbox; with `--fix`, repairs what fails."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import click

from agent.approval import Approver
from agent.editing.source_files import write_atomically
from agent.errors import ConfigError
from agent.events import FixFinished, Notice, TestsFinished
from agent.reports import RunStatus
from agent.session.context import Context
from tui.lines.asking import terminal_approver
from tui.running import open_assistant, run_async
from tui.show.plain import Presenter, make_presenter
from tui.wiring import contexts, named_tests

_RED = 1
_ENVIRONMENT = 3
_WORST_FIRST = (_RED, _ENVIRONMENT)


@dataclass(kw_only=True)
class _RequestedRepair:
    """The repair that is asked for, and what it kept so far."""

    only: frozenset[str]
    patch: Path | None
    diffs: list[str] = field(default_factory=list)

    def write_patch(self) -> None:
        """Write what was kept; no file where no repair came to its end."""
        if self.patch is not None and self.diffs:
            write_atomically(self.patch, "".join(self.diffs).encode())


@click.command(
    help="""Run the tests of PATH in the sandbox; with --fix, repair what fails.

    PATH is a project, a folder or file of its tests, or FILE::TEST; several are run one project
    after the other. Without one it is the project around the current folder.

    \b
    Exit codes beside the common ones:
      1   tests fail, or could not all run: some did not enter the sandbox
      3   nothing failed, but the image lacks what some tests need
    """
)
@click.argument("paths", metavar="[PATH]...", nargs=-1)
@click.option("--fix", "repair", is_flag=True, help="Let the model repair what fails.")
@click.option("--max-attempts", type=click.IntRange(1, 50), help="Tries at each failing test. [3]")
@click.option(
    "--only",
    metavar="FILE::TEST",
    multiple=True,
    help="With --fix: repair this test; all of PATH run, and none may turn red. May be repeated.",
)
@click.option(
    "--patch",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="With --fix: write what was kept as a patch for `git apply`; empty if nothing was.",
)
@click.option("--command", metavar="CMD", help="The test command, if it is not detected.")
@click.option("--allow-test-edits", is_flag=True, help="With --fix: tests may be edited too.")
@click.option(
    "--memory",
    type=click.Choice(["off", "hints"]),
    help="With --fix: show lessons of earlier repairs to the model. [hints]",
)
@click.option("--model", metavar="NAME", help="Model name, folder or GGUF file.")
@click.option("--base-url", metavar="URL", help="Use this OpenAI-compatible server instead.")
@click.option(
    "--timeout", type=click.FloatRange(min=1), metavar="S", help="Limit of one run. [120]"
)
@click.option(
    "--mask-secrets",
    is_flag=True,
    help="Let in copies of test files that seem to hold secrets, with placeholders for these.",
)
@click.option("--here", is_flag=True, help="Work even if PATH is a home or no project.")
@click.option("--json", "as_json", is_flag=True, help="Print events as JSON lines.")
def run_tests(
    *,
    paths: tuple[str, ...],
    repair: bool,
    max_attempts: int | None,
    only: tuple[str, ...],
    patch: Path | None,
    command: str | None,
    allow_test_edits: bool,
    memory: str | None,
    model: str | None,
    base_url: str | None,
    timeout: float | None,
    mask_secrets: bool,
    here: bool,
    as_json: bool,
) -> int:
    if not repair and (only or patch):
        raise click.UsageError("--only and --patch go with --fix")
    projects = contexts(
        paths,
        {
            "model.name": model,
            "model.base_url": base_url,
            "fix.max_attempts": max_attempts,
            "fix.allow_test_edits": True if allow_test_edits else None,
            "agent.memory": memory,
            "sandbox.timeout_s": timeout,
            "sandbox.mask_secrets": True if mask_secrets else None,
        },
        here=here,
        may_ask=not as_json,
    )
    wanted = frozenset[str]() if not only else named_tests(projects[0].root, only)
    repairing = _RequestedRepair(only=wanted, patch=_absent(patch)) if repair else None
    presenter = make_presenter(as_json=as_json, stream=False)
    try:
        approver = terminal_approver(presenter, as_json=as_json)
        codes = []
        for where in projects:
            if len(projects) > 1:
                presenter.show(Notice(f"the tests of {where.focus.folder or where.root.name}"))
            work = _run(where, presenter, approver, repairing, command=command)
            codes.append(run_async(work))
        return next((code for code in _WORST_FIRST if code in codes), 0)
    finally:
        presenter.close()
        if repairing:
            repairing.write_patch()


def _absent(patch: Path | None) -> Path | None:
    """Remove an earlier patch, so that what stands there later is of this run; any other file stays."""
    if patch is None:
        return None
    try:
        if patch.is_symlink():
            raise ConfigError(f"--patch {patch} is a symbolic link: name the file itself")
        there = patch.read_bytes() if patch.exists() else b""
        if there and not there.startswith((b"--- ", b"diff ")):
            raise ConfigError(f"--patch {patch} exists and is no patch: name another file")
        patch.parent.mkdir(parents=True, exist_ok=True)
        patch.touch()  # rather now than behind the whole repair
        patch.unlink()
    except OSError as err:
        raise ConfigError(f"--patch {patch} cannot be written: {err.strerror}") from err
    return patch.absolute()


async def _run(
    where: Context,
    presenter: Presenter,
    approver: Approver,
    repairing: _RequestedRepair | None,
    *,
    command: str | None,
) -> int:
    code = _RED
    async with open_assistant(where, approver) as assistant:
        work = (
            assistant.test(command=command)
            if repairing is None
            else assistant.fix(command=command, only=repairing.only)
        )
        async for event in work:
            presenter.show(event)
            match event:
                case TestsFinished(report):
                    whole = report.status is RunStatus.COMPLETE
                    red = bool(report.red or report.left_out or report.overruled) or not whole
                    code = _code(green=report.all_green, red=red, lacking=bool(report.lacking))
                case FixFinished():
                    if repairing is not None:
                        repairing.diffs.append(event.diff)
                    red = bool(event.red_after or event.left_out or event.overruled)
                    green = not red and event.passed_after > 0 and not event.lacking
                    code = _code(green=green, red=red, lacking=bool(event.lacking))
                case _:
                    pass
    return code


def _code(*, green: bool, red: bool, lacking: bool) -> int:
    if green:
        return 0
    return _ENVIRONMENT if lacking and not red else _RED
