"""What a report on one adapter needs, gathered from the stores of a repository."""

from __future__ import annotations

from pathlib import Path

import click

from learning.experience.store import ExperienceStore
from learning.promotion.adapters import AdapterStore
from learning.promotion.gate import from_record
from learning.promotion.lineage import made_from
from learning.promotion.report import LearningReport, html_report
from tui.wiring import Context, Place


def learned_by(where: Context | Place, name: str) -> LearningReport:
    """Everything that is known of an adapter.

    Raises:
        AdapterError: If it is missing or damaged.
        StoreError: If the experiences cannot be read.
    """
    store = AdapterStore(where.repository.adapters)
    manifest = store.get(name)
    with ExperienceStore.open(where.repository.experiences) as experiences:
        forgotten = experiences.forgotten()
        found = [experiences.get(id_) for id_ in manifest.experience_ids]
    return LearningReport(
        manifest=manifest,
        examples=[each for each in found if each is not None],
        forgotten=len(made_from(store, name) & forgotten),
        decision=from_record(manifest.decision),
    )


def write_page(path: Path, learned: LearningReport) -> None:
    """Write the page; the person is told where it is.

    Raises:
        click.UsageError: If it cannot be written.
    """
    try:
        path.write_text(html_report(learned), encoding="utf-8")
    except OSError as err:
        raise click.UsageError(f"{path} cannot be written: {err.strerror}") from err
    click.echo(f"wrote {path}")
