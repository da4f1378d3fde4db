"""The command `elagent eval`: measure a model, score samples of others, compare two results."""

from __future__ import annotations

from pathlib import Path

import click

from lab.benchmarks.mmlu import read_answers
from lab.commands.article.command import article
from lab.commands.baselines import baselines
from lab.commands.drift import drift
from lab.commands.gsm8k import gsm8k
from lab.commands.humaneval import humaneval
from lab.commands.humanevalfix import humanevalfix
from lab.commands.mmlu import mmlu
from lab.commands.options import HTML, JSON, SEED
from lab.commands.progress import say
from lab.commands.repo import capability, repo
from lab.commands.report import ComparedResult, comparison_page, show_comparison
from lab.report import check_comparable, compare, task_means
from learning.evaluation.samples import ResultManifest, read_manifest, read_samples


@click.group(help="Measure models: benchmarks, and comparisons task by task.")
def evaluation() -> None:
    pass


@evaluation.command("compare")
@click.argument("a", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("b", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--raw", is_flag=True, help="Compare the code as it stood, not sanitised.")
@SEED
@HTML
@JSON
def compare_results(
    *, a: Path, b: Path, raw: bool, seed: int, html: Path | None, as_json: bool
) -> int:
    """Compare results folder B with A: wins and losses per task, sign test, paired bootstrap."""
    manifests = read_manifest(a), read_manifest(b)
    differing = check_comparable(*manifests)
    found = compare(
        _task_scores(a, manifests[0], raw=raw),
        _task_scores(b, manifests[1], raw=raw),
        seed=seed,
    )
    if html is not None:
        sides = ComparedResult.read("A", a), ComparedResult.read("B", b)
        html.write_text(comparison_page(*sides, found, differing), encoding="utf-8")
        say(f"report: {html}")
    show_comparison(*manifests, found, differing, as_json=as_json)
    return 0


def _task_scores(folder: Path, manifest: ResultManifest, *, raw: bool) -> dict[str, float]:
    if manifest.suite == "mmlu":
        return read_answers(folder)
    return task_means(read_samples(folder).values(), raw=raw)


for command in (humaneval, humanevalfix, drift, baselines, repo, capability, mmlu, gsm8k, article):
    evaluation.add_command(command)
eval = evaluation  # noqa: A001 - the command line finds a command by its name
