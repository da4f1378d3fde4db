"""A request for tests is shown the signatures that the project's own code gives, constants of other files included."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from agent.fixing.sources import Sources
from agent.session.constructing import called_so

_FILES = {
    "birds/__init__.py": "",
    "birds/reader.py": "from collections import namedtuple\n\nCOLUMNS = ('species', 'site')\n"
    "Sighting = namedtuple('Sighting', COLUMNS)\n\n\nclass SheetError(Exception):\n    pass\n",
    "birds/tally.py": "MOST = 3\n\n\ndef share(sightings, species='coot'):\n    return 1\n\n\ndef top(n):\n    return n\n",
    "birds/broken.py": "import nowhere\n\n\ndef lost(a):\n    return a\n",
    "tests/test_tally.py": "from birds.reader import Sighting\nfrom birds.tally import top\n\n\n"
    "def test_top():\n    assert top(1) == 1\n",
}


class Here:
    """Runs a command in a folder, in the place of the sandbox."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.commands = 0

    async def run_command(self, command: Sequence[str]) -> SimpleNamespace:
        self.commands += 1
        process = await asyncio.create_subprocess_exec(
            sys.executable, *command[1:], cwd=self.root, stdout=asyncio.subprocess.PIPE
        )
        said, _ = await process.communicate()
        return SimpleNamespace(stdout=SimpleNamespace(text=said.decode()))


@pytest.fixture
def here(tmp_path: Path) -> Here:
    for path, text in _FILES.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    return Here(tmp_path)


async def _told(here: Here, text: str) -> tuple[str, ...]:
    project: Any = here
    return await called_so(text, Sources(here.root, list(_FILES)), project)


async def test_the_function_and_the_classes_of_its_tests_are_told(here: Here) -> None:
    assert await _told(here, "write tests for share") == (
        "share(sightings, species='coot')",
        "Sighting(species, site)",
    )


async def test_a_file_gives_its_own_classes(here: Here) -> None:
    told = await _told(here, "write tests for birds/reader.py")
    assert told[:1] == ("Sighting(species, site)",)


async def test_nothing_is_told_of_code_that_cannot_be_imported(here: Here) -> None:
    assert await _told(here, "write tests for lost") == ()


async def test_without_a_subject_nothing_runs(here: Here) -> None:
    assert await _told(here, "write some tests") == ()
    assert not here.commands
