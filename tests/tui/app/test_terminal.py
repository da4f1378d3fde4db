"""The whole app in a real terminal, with a real box and git; only the model is scripted."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from learning.model.catalog import InstalledModel
from tests.fakes.openai_server import FakeServer, Scripted, serve
from tests.tui.app.terminal import ROOT, elagent

WAREHOUSE = ROOT / "examples" / "warehouse"

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")


def rewritten(path: str, old: str, new: str) -> str:
    source = (WAREHOUSE / path).read_text()
    assert old in source
    return f"The bulk price is off by one.\n\n{path}\n```python\n{source.replace(old, new)}```\n"


@pytest.mark.docker
@pytest.mark.usefixtures("sandbox_image")
def test_a_change_is_asked_for_accepted_tested_undone_and_resumed(tmp_path: Path) -> None:
    root = tmp_path / "warehouse"
    shutil.copytree(WAREHOUSE, root)
    pricing = root / "warehouse" / "pricing.py"
    before = pricing.read_bytes()
    environ = {"ELAGENT_HOME": str(tmp_path / "home"), "ELAGENT_SANDBOX_IMAGE": "lite",
               "XDG_CONFIG_HOME": str(tmp_path / "config")}  # fmt: skip
    answer = rewritten("warehouse/pricing.py", "quantity > BULK", "quantity >= BULK")
    pieces = [answer[start : start + 20] for start in range(0, len(answer), 20)]
    with serve(FakeServer(script=[Scripted(pieces=pieces)])) as server:
        model = ("--mode", "ask", "--model", "fake", "--base-url", server.url)
        with elagent(root, *model, environ=environ) as terminal:
            terminal.wait_for("Ask for a change")
            terminal.type("Let the bulk price begin at BULK_QUANTITY in warehouse/pricing.py")
            terminal.press("Enter")
            shown = terminal.wait_for("Accept (y)")
            assert "+    if quantity >= BULK_QUANTITY:" in shown
            assert pricing.read_bytes() == before
            terminal.press("y")
            terminal.wait_for("changed: warehouse/pricing.py  +1 -1")
            assert b"quantity >= BULK" in pricing.read_bytes()
            terminal.wait_for("/undo takes it back.")
            terminal.type("/test")
            terminal.press("Enter")
            terminal.wait_for("red: 2 failed, 26 passed", behind="> /test")
            terminal.type("/undo")
            terminal.press("Enter")
            terminal.wait_for("undo: Let the bulk price")
            assert pricing.read_bytes() == before
            terminal.type("/quit")
            terminal.press("Enter")
            terminal.wait_for("exit: 0")
        with elagent(root, *model, "--resume", environ=environ) as terminal:
            terminal.wait_for("red: 2 failed, 26 passed")
            terminal.press("PageUp")
            terminal.wait_for("changed: warehouse/pricing.py  +1 -1")
            terminal.type("/quit")
            terminal.press("Enter")
            terminal.wait_for("exit: 0")


@pytest.mark.model
def test_the_real_tiny_model_streams_and_its_reply_is_labelled(
    tmp_path: Path, tiny_model: InstalledModel
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    assert tiny_model.hf is not None
    (home / "models").symlink_to(tiny_model.hf.parents[1])
    environ = {"ELAGENT_HOME": str(home), "ELAGENT_MODEL_IDLE_S": "0",
               "XDG_CONFIG_HOME": str(tmp_path / "config")}  # fmt: skip
    root = tmp_path / "empty"
    root.mkdir()
    model = ("--here", "--model", tiny_model.name)
    with elagent(root, *model, environ=environ) as terminal:
        terminal.wait_for("Ask for a change")
        terminal.type("Say hello.")
        terminal.press("Enter")
        shown = terminal.wait_for("tokens/s")
        assert f"[{tiny_model.name}, no adapter]" in shown
        terminal.press("C-q")
        terminal.wait_for("exit: 0")
