from __future__ import annotations

import pytest

from benchmarks.screenshots import FOLDER, SCENES, picture


@pytest.mark.parametrize("name", [name for name, scene in SCENES.items() if scene.compared])
async def test_the_app_looks_as_in_its_pictures(name: str) -> None:
    """After a wanted change: `python -P -m benchmarks.screenshots`, and look at what changed."""
    assert await picture(SCENES[name]) == (FOLDER / f"{name}.svg").read_text(encoding="utf-8")
