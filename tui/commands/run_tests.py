"""`elagent run-tests`: the tests in the sandbox; with `--fix`, a repair that never makes it worse."""

from __future__ import annotations

from pathlib import Path

import click

from agent.approval import Approver
from agent.events import FixFinished, TestsFinished
from tui.asking import terminal_approver
from tui.plain import Presenter, make_presenter
from tui.running import open_assistant, run_async
from tui.wiring import Context, context


@click.command(help="Run the tests of PATH in the sandbox; with --fix, repair what fails.")
@click.argument("path", type=click.Path(exists=True, file_okay=False, path_type=Path), default=".")
@click.option("--fix", "repair", is_flag=True, help="Let the model repair what fails.")
@click.option("--max-attempts", type=click.IntRange(1, 50), help="For each failing test. [3]")
@click.option("--command", metavar="CMD", help="The test command, if it is not detected.")
@click.option("--allow-test-edits", is_flag=True, help="With --fix: tests may be edited too.")
@click.option(
    "--memory",
    type=click.Choice(["off", "hints"]),
    help="With --fix: show lessons of earlier repairs to the model. [hints]",
)
@click.option("--model", metavar="NAME", help="Model name, folder or GGUF file.")
@click.option("--base-url", metavar="URL", help="Use this OpenAI-compatible server instead.")
@click.option("--timeout", type=click.FloatRange(min=1), metavar="S", help="For one run. [120]")
@click.option("--json", "as_json", is_flag=True, help="Print events as JSON lines.")
def run_tests(
    *,
    path: Path,
    repair: bool,
    max_attempts: int | None,
    command: str | None,
    allow_test_edits: bool,
    memory: str | None,
    model: str | None,
    base_url: str | None,
    timeout: float | None,
    as_json: bool,
) -> int:
    where = context(
        path,
        {
            "model.name": model,
            "model.base_url": base_url,
            "fix.max_attempts": max_attempts,
            "fix.allow_test_edits": True if allow_test_edits else None,
            "agent.memory": memory,
            "sandbox.timeout_s": timeout,
        },
    )
    presenter = make_presenter(as_json=as_json, stream=False)
    try:
        approver = terminal_approver(presenter, as_json=as_json)
        return run_async(_run(where, presenter, approver, repair=repair, command=command))
    finally:
        presenter.close()


async def _run(
    where: Context,
    presenter: Presenter,
    approver: Approver,
    *,
    repair: bool,
    command: str | None,
) -> int:
    green = False
    async with open_assistant(where, approver) as assistant:
        work = assistant.fix if repair else assistant.test
        async for event in work(command=command):
            presenter.show(event)
            match event:
                case TestsFinished(report):
                    green = report.all_green
                case FixFinished():
                    solved = not event.red_after and not event.overruled
                    green = solved and event.passed_after > 0
                case _:
                    pass
    return 0 if green else 1
