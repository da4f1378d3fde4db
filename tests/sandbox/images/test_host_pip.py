from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path

import pytest

from sandbox.images.host_pip import PIP, is_from_index

BACKEND = """
from pathlib import Path
Path({marker!r}).write_text("ran")
"""


def source_that_runs(folder: Path, marker: Path) -> Path:
    """A package whose build backend leaves a mark as soon as anybody asks it anything."""
    folder.mkdir()
    (folder / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    (folder / "backend.py").write_text(BACKEND.format(marker=str(marker)))
    return folder


def wheel_that_needs(folder: Path, requirement: str) -> Path:
    path = folder / "innocent-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(
            "innocent-1.0.dist-info/METADATA",
            f"Metadata-Version: 2.1\nName: innocent\nVersion: 1.0\nRequires-Dist: {requirement}\n",
        )
        wheel.writestr("innocent-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr("innocent-1.0.dist-info/RECORD", "")
    return path


@pytest.mark.parametrize("through_wheel", [False, True])
def test_pip_on_the_host_builds_nothing_that_a_url_names(
    tmp_path: Path, *, through_wheel: bool
) -> None:
    marker = tmp_path / "ran"
    url = f"evil @ file://{source_that_runs(tmp_path / 'evil', marker)}"
    wanted = str(wheel_that_needs(tmp_path, url)) if through_wheel else url
    options = ("--quiet", "--no-index", "--only-binary=:all:", f"--dest={tmp_path / 'out'}")
    done = subprocess.run(
        [*PIP, "download", *options, wanted],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "nothing is built on this machine" in done.stderr
    assert not marker.exists()


def test_a_folder_called_pip_is_not_pip(tmp_path: Path) -> None:
    (tmp_path / "pip").mkdir()
    (tmp_path / "pip" / "__init__.py").write_text("raise SystemExit('shadowed')")
    done = subprocess.run(
        [*PIP, "--version"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stdout.startswith("pip ")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("numpy>=2; python_version > '3.8'", True),
        ("evil @ https://example.org/evil.tar.gz", False),
        ("--index-url https://example.org", False),
        ("-r more.txt", False),
        ("git+https://example.org/x.git", False),
    ],
)
def test_only_plain_requirements_come_from_the_index(line: str, *, expected: bool) -> None:
    assert is_from_index(line) is expected
