"""The sandbox images of this machine, as the person lists, makes and removes them."""

from __future__ import annotations

from pathlib import Path

from sandbox.box.leftovers import remove_leftovers
from sandbox.images.base import ensure_base, list_images
from sandbox.images.image import Image
from sandbox.images.pruning import last_use, prune_images

__all__ = ["ensure_base", "last_use", "list_images", "prune_all"]


def prune_all(sandbox_dir: Path, *, keep_last: int) -> tuple[int, list[Image]]:
    """Remove boxes whose session is gone and old images; return how many boxes, and the images.

    Raises:
        SandboxError: If the engine cannot be asked.
    """
    boxes = remove_leftovers(sandbox_dir)
    return boxes, list(prune_images(sandbox_dir / "wheels", keep_last=keep_last))
