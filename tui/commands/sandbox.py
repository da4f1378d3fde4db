"""`elagent sandbox`: the images in which all code of the project runs."""

from __future__ import annotations

import click
from rich.table import Table

from agent.events import StageStarted
from sandbox.image import ensure_base, list_images, prune_images
from sandbox.leftovers import remove_leftovers
from tui.plain import TextPresenter, format_bytes, make_console
from tui.wiring import context


@click.group(help="Build, show or clean up sandbox images.")
def sandbox() -> None:
    pass


@sandbox.command("build")
@click.option(
    "--source",
    type=click.Choice(["auto", "dockerfile", "debian", "lite"]),
    help="From our Dockerfile, Debian's packages, or this machine's own Python. [auto]",
)
def build(*, source: str | None) -> None:
    """Make the base image, unless it is there."""
    chosen = source or context().settings.sandbox.image
    presenter = TextPresenter(make_console(stderr=True))
    try:
        image = ensure_base(
            source=chosen,  # type: ignore[arg-type]
            on_progress=lambda line: presenter.show(StageStarted(line)),
        )
    finally:
        presenter.close()
    click.echo(
        f"{image.name}: made from {image.source}, Python {image.python},"
        f" {format_bytes(image.size_bytes)}"
    )


@sandbox.command("ls")
def list_() -> None:
    """All images that elagent made, newest first."""
    table = Table(box=None, pad_edge=False)
    for column in ("name", "from", "python", "size"):
        table.add_column(column, overflow="fold")
    images = list_images()
    for image in images:
        table.add_row(image.name, image.source, image.python, format_bytes(image.size_bytes))
    console = make_console()
    console.print(table if images else "No image yet; `elagent sandbox build` makes one.")


@sandbox.command("prune")
@click.option(
    "--keep",
    type=click.IntRange(min=0),
    default=3,
    show_default=True,
    help="How many images with project dependencies to keep.",
)
def prune(*, keep: int) -> None:
    """Remove old images, and boxes whose session is gone."""
    boxes = remove_leftovers(context().paths.sandbox)
    images = prune_images(keep_last=keep)
    freed = format_bytes(sum(image.size_bytes for image in images))
    click.echo(f"removed {boxes} boxes and {len(images)} images (up to {freed})")
