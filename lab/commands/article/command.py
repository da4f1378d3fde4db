"""The group `elagent eval article` and its report over several experiments."""

from __future__ import annotations

from pathlib import Path

import click

from lab.commands.article.gsm8k import gsm8k
from lab.commands.article.humaneval import humaneval
from lab.commands.article.mmlu import mmlu
from lab.commands.article.view import outcomes_in, show
from lab.commands.options import HTML, JSON


@click.group(help="The founding article's three experiments, our figures beside its own.")
def article() -> None:
    pass


@article.command("report", help="One report over results folders of the experiments.")
@click.argument(
    "folders",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
)
@HTML
@JSON
def report(*, folders: tuple[Path, ...], html: Path | None, as_json: bool) -> int:
    show(outcomes_in(folders), html=html, as_json=as_json)
    return 0


article.add_command(mmlu)
article.add_command(humaneval)
article.add_command(gsm8k)
