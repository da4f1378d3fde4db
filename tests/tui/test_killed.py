"""`run-tests --fix` killed at any moment: the next command puts back what was not judged."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.fakes.openai_server import FakeServer, serve, text
from tests.tui.test_whole import INVENTORY, PRICING, ROOT, WAREHOUSE, WRONG_PRICING, contents, run

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("sandbox_image")]
REPLIES = (INVENTORY, WRONG_PRICING, PRICING)


def killed(root: Path, home: Path, *, edits: int, after_s: float) -> None:
    """Kill a repair some time after so many edits were noted."""
    environ = {**os.environ, "ELAGENT_HOME": str(home), "ELAGENT_SANDBOX_IMAGE": "lite"}
    with serve(FakeServer(script=[text(reply) for reply in REPLIES])) as server:
        command = ["run-tests", "--fix", "--json", "--model", "fake", "--base-url", server.url]
        process = subprocess.Popen(
            [sys.executable, "-P", str(ROOT / "elagent.py"), *command],
            cwd=root, env=environ, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout is not None
        for line in process.stdout:
            edits -= '"edit_applied"' in line
            if edits <= 0:
                break
        time.sleep(after_s)
        process.send_signal(signal.SIGKILL)
        process.communicate()


@pytest.mark.parametrize(
    ("edits", "after_s"),
    [
        (1, 0.0),
        *(
            pytest.param(edits, after_s, marks=pytest.mark.slow)
            for edits, after_s in ((0, 1.0), (0, 2.0), (1, 0.3), (1, 0.6), (1, 0.9), (2, 0.0),
                                   (2, 0.4), (2, 0.8), (3, 0.0))
        ),
    ],
)  # fmt: skip
def test_after_a_kill_undo_restores_everything_without_force(
    tmp_path: Path, edits: int, after_s: float
) -> None:
    home, root = tmp_path / "home", tmp_path / "warehouse"
    shutil.copytree(WAREHOUSE, root)
    before = contents(root)
    killed(root, home, edits=edits, after_s=after_s)
    shown = run(root, home, "diff")
    assert shown.returncode == 0
    judged = contents(root)
    undone = run(root, home, "undo")
    assert (undone.returncode, contents(root)) in ((0, before), (3, before)), undone.stderr
    assert undone.returncode == 0 or judged == before, "there was nothing to undo"
    assert not any(".tmp" in name for name in contents(root))


def test_the_next_run_says_what_it_put_back(tmp_path: Path) -> None:
    home, root = tmp_path / "home", tmp_path / "warehouse"
    shutil.copytree(WAREHOUSE, root)
    before = contents(root)
    killed(root, home, edits=1, after_s=0.0)
    assert contents(root) != before
    done = run(root, home, "run-tests")
    assert "put back warehouse/inventory.py: a run that was killed" in done.stdout
    assert contents(root) == before
