"""`elagent sandbox` as a person meets it; images are shared, so nothing is pruned here."""

from __future__ import annotations

import json
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


def test_runs_are_listed_with_how_they_ended_and_without_their_arguments(tmp_path: Path) -> None:
    nothing = sandbox("runs", home=tmp_path)
    assert (nothing.returncode, nothing.stdout) == (0, "Nothing has run in the sandbox yet.\n")
    root = tmp_path / "repository"
    root.mkdir()
    subprocess.run(["/usr/bin/git", "init", "-q", str(root)], check=True)
    secret = "token-4711"  # noqa: S105
    sandbox("run", "sh", "-c", f"echo {secret}; exit 3", home=tmp_path, cwd=root)
    shown = sandbox("runs", home=tmp_path)
    assert shown.returncode == 0
    heading, row = shown.stdout.splitlines()
    assert heading.split() == ["began", "project", "run", "ended", "took"]
    assert row.partition(" ago ")[2].split()[:3] == ["repository", "command", "fail"]
    (line,) = sandbox("runs", "--json", "--limit", "1", home=tmp_path).stdout.splitlines()
    noted = json.loads(line)
    assert (noted["label"], noted["state"], noted["step"]) == ("command", "fail", 1)
    assert noted["project"] == str(root)
    assert noted["changed_at"] >= noted["began_at"] > 0
    database = tmp_path / "sandbox" / "runs.sqlite3"
    assert secret.encode() not in database.read_bytes()
    database.write_bytes(b"no database")
    damaged = sandbox("runs", home=tmp_path)
    assert damaged.returncode == 3
    assert "is damaged" in damaged.stderr
