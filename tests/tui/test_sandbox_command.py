"""`elagent sandbox` as a person meets it; images are shared, so nothing is pruned here."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("sandbox_image")]
ROOT = Path(__file__).resolve().parents[2]


def sandbox(*args: str, home: Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "elagent.py"), "sandbox", *args],
        cwd=cwd or home,
        env={**os.environ, "ELAGENT_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_images_are_listed_with_their_age(tmp_path: Path) -> None:
    run = sandbox("ls", home=tmp_path)
    assert run.returncode == 0
    assert run.stdout.splitlines()[0].split() == ["name", "from", "python", "size", "last", "used"]
    assert "elagent-lite:" in run.stdout


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["shell"], "a shell needs a terminal"),
        (["build", "--source", "no such image"], "no such image"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(tmp_path: Path, args: list[str], said: str) -> None:
    run = sandbox(*args, home=tmp_path)
    assert run.returncode == 3
    assert said in run.stderr
    assert "Traceback" not in run.stderr


def test_only_what_was_declared_and_allowed_comes_back(tmp_path: Path) -> None:
    root = tmp_path / "repository"
    root.mkdir()
    subprocess.run(["/usr/bin/git", "init", "-q", str(root)], check=True)
    (root / "a.txt").write_text("one\n")
    command = "echo two >> a.txt; echo x > other.txt; ln -s /etc/passwd link"
    options = ("--bring", "a.txt", "--bring", "link")
    failed = sandbox(
        "run", "--mode", "auto", *options, f"{command}; exit 3", home=tmp_path, cwd=root
    )
    assert failed.returncode == 3
    assert "exit code 3" in failed.stdout
    assert (root / "a.txt").read_text() == "one\n"
    done = sandbox("run", "--mode", "auto", *options, command, home=tmp_path, cwd=root)
    assert done.returncode == 1, done.stderr
    assert "link is not a regular file in the sandbox" in done.stdout
    assert "did not come back: link" in done.stdout
    assert (root / "a.txt").read_text() == "one\ntwo\n"
    assert sorted(path.name for path in root.iterdir()) == [".git", "a.txt"]
    again = sandbox("run", "--mode", "auto", "--bring", "a.txt", command, home=tmp_path, cwd=root)
    assert again.returncode == 0, again.stderr
    assert (root / "a.txt").read_text() == "one\ntwo\ntwo\n"
