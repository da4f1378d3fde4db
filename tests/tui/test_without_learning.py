"""Where torch, transformers and peft are not installed, a command that trains says how to get them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from learning.extra import PACKAGES

ROOT = Path(__file__).resolve().parents[2]
WITHOUT = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
for name in {PACKAGES!r}:
    sys.modules[name] = None  # as if it were not installed
from tui.cli import main
main(sys.argv[1:])
"""


def elagent(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-c", WITHOUT, *words],
        cwd=folder,
        env={**os.environ, "ELAGENT_HOME": str(folder / "home")},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ("learn", "Learning"),
        pytest.param("learn --self-play", "Learning", marks=pytest.mark.slow),
        pytest.param("eval repo --learn", "Learning", marks=pytest.mark.slow),
        pytest.param(
            "eval baselines humaneval --out out",
            "The comparison of baselines",
            marks=pytest.mark.slow,
        ),
        pytest.param("eval article humaneval", "The experiment humaneval", marks=pytest.mark.slow),
    ],
)
def test_it_is_one_sentence_before_anything_else(words: str, what: str, tmp_path: Path) -> None:
    done = elagent(*words.split(), folder=tmp_path)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith(
        f"elagent: {what} needs torch, transformers and peft, which are not installed:"
        ' pip install "elagent[learn]"'
    )
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
