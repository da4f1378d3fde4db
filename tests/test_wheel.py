"""The wheel, installed into an environment of its own and used from an empty folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import time
import venv
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `elagent` script of an environment that holds the wheel; what it needs is this one's."""
    place = tmp_path_factory.mktemp("installed")
    wheel = _wheel(place)
    venv.create(place / "env", with_pip=False)
    python = place / "env" / "bin" / "python"
    _run(
        *(sys.executable, "-m", "pip", "--python", str(python), "install", "-q", "--no-index"),
        *("--no-deps", str(wheel)),
        cwd=place,
    )
    site = _run(str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))")
    # Our own packages come first: they are in the environment's folder, not in one that it names.
    Path(site.strip(), "needs.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return place / "env" / "bin" / "elagent"


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `elagent` script of an environment into which pip installed the wheel, without extras."""
    place = tmp_path_factory.mktemp("bare")
    wheel = _wheel(place)
    venv.create(place / "env", with_pip=False)
    _run(
        *(sys.executable, "-m", "pip", "--python", str(place / "env" / "bin" / "python")),
        *("install", "-q", "-c", str(ROOT / "constraints.txt"), str(wheel)),
        cwd=place,
    )
    return place / "env" / "bin" / "elagent"


def _wheel(folder: Path) -> Path:
    _run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder), cwd=ROOT)
    (wheel,) = folder.glob("*.whl")
    return wheel


def _run(*words: str, cwd: Path | None = None) -> str:
    return subprocess.run(words, cwd=cwd, check=True, capture_output=True, text=True).stdout


def _elagent(
    installed: Path, *words: str, cwd: Path, **env: str
) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [str(installed), *words],
        cwd=cwd,
        env={**inherited, "ELAGENT_HOME": str(cwd.parent / "home"), **env},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    folder = tmp_path / "empty"
    folder.mkdir()
    return folder


def test_nothing_of_the_clone_is_imported(installed: Path, empty: Path) -> None:
    version = _elagent(installed, "--version", cwd=empty)
    assert version.stdout.startswith("elagent ")
    doctor = _elagent(installed, "doctor", cwd=empty)
    line = next(line for line in doctor.stdout.splitlines() if "packages in" in line)
    assert str(installed.parents[1]) in line
    assert str(ROOT) not in line


def test_the_manual_page_and_the_plugin_of_pytest_come_along(installed: Path, empty: Path) -> None:
    environment = installed.parents[1]
    page = environment / "share" / "man" / "man1" / "elagent.1"
    assert page.read_text().startswith(".TH ELAGENT 1")
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    told = subprocess.run(
        [str(environment / "bin" / "python"), "-m", "pytest", "--help"],
        cwd=empty, env=inherited, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "--elagent-fix" in told.stdout


@pytest.mark.docker
@pytest.mark.model
@pytest.mark.slow
def test_demo_repairs_its_package_and_learns(installed: Path, empty: Path) -> None:
    words = ("demo", "--model", "smollm2-135m", "--folder", str(empty))
    demo = _elagent(installed, *words, cwd=empty)
    assert demo.returncode == 0, demo.stderr
    assert "passed before: 25" in demo.stdout
    assert "== Done in" in demo.stdout


@pytest.mark.docker
@pytest.mark.model
@pytest.mark.slow
def test_it_repairs_learns_evaluates_and_serves_from_an_empty_folder(
    installed: Path, empty: Path
) -> None:
    (empty / "pyproject.toml").write_text('[project]\nname = "sums"\nversion = "1"\n')
    (empty / "sums.py").write_text("def add(a, b):\n    return a - b\n")
    (empty / "test_sums.py").write_text(
        "from sums import add\n\n\ndef test_add():\n    assert add(2, 3) == 5\n"
    )
    model = ("--model", "smollm2-135m")
    pulled = _elagent(installed, "models", "pull", "smollm2-135m", cwd=empty)
    assert pulled.returncode == 0, pulled.stderr
    repaired = _elagent(installed, "run-tests", "--fix", *model, cwd=empty)
    assert repaired.returncode == 0, repaired.stdout + repaired.stderr
    assert "a + b" in (empty / "sums.py").read_text()
    learned = _elagent(installed, "learn", "--no-trial", *model, cwd=empty)
    assert learned.returncode == 0, learned.stdout + learned.stderr
    known = _elagent(installed, "eval", "humaneval", "--canonical", "--limit", "2", cwd=empty)
    assert known.returncode == 0, known.stderr
    assert "2 samples of 2" in known.stdout
    words, state = (*model, "--idle", "0"), empty.parent / "state.json"
    serving = subprocess.Popen(
        [str(installed), "serve", *words, "--state-file", str(state)],
        cwd=empty,
        env={**os.environ, "ELAGENT_HOME": str(empty.parent / "home")},
    )
    try:
        while not state.exists():
            assert serving.poll() is None
            time.sleep(0.1)
        said = json.loads(state.read_text())
        headers = {"authorization": f"Bearer {said['token']}"}
        answer = httpx.get(f"{said['url']}/v1/models", headers=headers, trust_env=False)
        assert [each["id"] for each in answer.json()["data"]] == ["smollm2-135m"]
    finally:
        serving.terminate()
        serving.wait(60)


def test_drift_tasks_are_in_the_wheel(installed: Path, empty: Path) -> None:
    told = _elagent(
        installed, "eval", "drift", "--base-url", "http://127.0.0.1:1", "--limit", "1",
        cwd=empty, DOCKER_HOST="unix:///nowhere.sock",
    )  # fmt: skip
    assert "does not exist" not in told.stderr
    assert told.returncode == 3


@pytest.mark.slow
def test_the_base_install_has_no_torch_and_says_how_to_get_it(bare: Path, empty: Path) -> None:
    python = str(bare.with_name("python"))
    asked = (
        "from importlib.util import find_spec as f; print(f('torch'), f('transformers'), f('peft'))"
    )
    assert _run(python, "-c", asked, cwd=empty) == "None None None\n"
    told = _elagent(bare, "--version", "--verbose", cwd=empty)
    assert dict(line.split(maxsplit=1) for line in told.stdout.splitlines())["torch"] == (
        "not installed"
    )
    for words in (("--help",), ("models", "ls"), ("eval", "--help")):
        done = _elagent(bare, *words, cwd=empty)
        assert (done.returncode, done.stderr) == (0, ""), words
    doctor = _elagent(bare, "doctor", cwd=empty)
    assert "note Learning needs torch, transformers and peft, which are not" in doctor.stdout
    assert "Traceback" not in doctor.stderr
    learn = _elagent(bare, "learn", cwd=empty)
    assert learn.returncode == 3
    assert learn.stderr.startswith("elagent: Learning needs torch, transformers and peft")
    assert 'pip install "elagent[learn]"' in learn.stderr


@pytest.mark.docker
@pytest.mark.slow
def test_the_base_install_runs_tests_in_the_sandbox(bare: Path, empty: Path) -> None:
    (empty / "test_sums.py").write_text("def test_sum():\n    assert 1 + 1 == 2\n")
    (empty / "pyproject.toml").write_text('[project]\nname = "sums"\nversion = "1"\n')
    done = _elagent(bare, "run-tests", cwd=empty)
    assert done.returncode == 0, done.stderr
    assert "ok: 1 passed" in done.stdout
