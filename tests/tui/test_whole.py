"""The main job from end to end: the real command line, box and git; only the model is scripted."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.openai_server import FakeServer, serve, text

ROOT = Path(__file__).resolve().parents[2]
WAREHOUSE = ROOT / "examples" / "warehouse"
SECRET = "ghp_" + "a1B2" * 9

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("sandbox_image")]


def run(cwd: Path, home: Path, *args: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "ELAGENT_HOME": str(home), "ELAGENT_SANDBOX_IMAGE": "lite"} | settings
    return subprocess.run(
        [sys.executable, str(ROOT / "elagent.py"), *args],
        cwd=cwd, env=environ, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


def contents(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def rewritten(path: str, old: str, new: str) -> str:
    source = (WAREHOUSE / path).read_text()
    assert old in source
    return f"{path}\n```python\n{source.replace(old, new)}```\n"


def events(output: str, name: str) -> list[dict[str, object]]:
    records = [json.loads(line) for line in output.splitlines()]
    return [record for record in records if record["event"] == name]


INVENTORY = rewritten(
    "warehouse/inventory.py", "        return sum(", "        if not self._quantities:\n"
    "            return 0\n        return sum(",
)  # fmt: skip
WRONG_PRICING = rewritten("warehouse/pricing.py", "// 100\n    return", "/ 100\n    return")
PRICING = rewritten("warehouse/pricing.py", "quantity > BULK", "quantity >= BULK")
ELIDED = "warehouse/shipping.py\n```python\n# ... rest of the file unchanged\n```\n"
SHIPPING = rewritten(
    "warehouse/shipping.py", "    return 1690\n", "    return 1690\n\n\n"
    "def parcels_needed(grams, limit):\n    return -(-grams // limit)\n",
)  # fmt: skip


def test_a_repository_is_repaired_recorded_and_put_back(tmp_path: Path) -> None:
    home, root = tmp_path / "home", tmp_path / "warehouse"
    shutil.copytree(WAREHOUSE, root)
    (root / "notes.txt").write_text(f"not tracked, token {SECRET}\n")
    before = contents(root)
    replies = [INVENTORY, WRONG_PRICING, PRICING, ELIDED, f"The token is {SECRET}.\n{SHIPPING}"]
    with serve(FakeServer(script=[text(reply) for reply in replies])) as server:
        fixed = run(
            root, home, "run-tests", "--fix", "--json", "--model", "fake", "--base-url", server.url,
            ELAGENT_FIX_SEARCH_S="0",
        )  # fmt: skip

    assert (fixed.returncode, fixed.stderr) == (0, "")
    (finished,) = events(fixed.stdout, "fix_finished")
    assert (finished["passed_before"], finished["passed_after"]) == (25, 28)
    assert finished["red_after"] == []
    assert len(events(fixed.stdout, "edit_reverted")) == 1
    assert len(events(fixed.stdout, "reply_unusable")) == 1

    recorded = run(root, home, "experiences", "ls", "--json")
    verdicts = [json.loads(line)["verdict"] for line in recorded.stdout.splitlines()]
    assert verdicts == ["pass", "unknown", "pass", "fail", "pass"]
    kept = b"".join(p.read_bytes() for p in (home / "repositories").rglob("*.jsonl"))
    kept += run(root, home, "experiences", "export").stdout.encode()
    assert kept
    assert SECRET.encode() not in kept

    assert run(root, home, "undo").returncode == 0
    assert contents(root) == before
    assert run(root, home, "redo").returncode == 0
    assert "quantity >= BULK" in (root / "warehouse" / "pricing.py").read_text()


def test_a_fault_that_a_small_change_repairs_costs_no_reply(tmp_path: Path) -> None:
    home, root = tmp_path / "home", tmp_path / "warehouse"
    shutil.copytree(WAREHOUSE, root)
    with serve(FakeServer(script=[])) as server:
        fixed = run(
            root, home, "run-tests", "tests/test_pricing.py", "--fix", "--json", "--model", "fake",
            "--base-url", server.url,
        )  # fmt: skip

    assert (fixed.returncode, fixed.stderr) == (0, "")
    assert server.requests == []
    (chosen,) = events(fixed.stdout, "change_chosen")
    assert (chosen["path"], chosen["kind"]) == ("warehouse/pricing.py", "> to >=")
    (ranked,) = events(fixed.stdout, "places_ranked")
    assert "'warehouse/pricing.py'" in str(ranked["places"])
    (row,) = run(root, home, "experiences", "ls", "--json").stdout.splitlines()
    assert json.loads(row)["verdict"] == "pass"


def test_two_sessions_in_one_repository_do_not_disturb_each_other(tmp_path: Path) -> None:
    home, root = tmp_path / "home", tmp_path / "warehouse"
    shutil.copytree(WAREHOUSE, root)
    before = contents(root)
    environ = {**os.environ, "ELAGENT_HOME": str(home), "ELAGENT_SANDBOX_IMAGE": "lite"}
    both = [
        subprocess.Popen(
            [sys.executable, str(ROOT / "elagent.py"), "run-tests", "--json"],
            cwd=root, env=environ, stdout=subprocess.PIPE, text=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    outputs = [process.communicate(timeout=300)[0] for process in both]
    assert [process.returncode for process in both] == [1, 1]
    for output in outputs:
        (finished,) = events(output, "tests_finished")
        assert finished["counts"] == {
            "passed": 25, "failed": 3, "error": 0, "skipped": 0, "xfailed": 0, "xpassed": 0,
            "needs_network": 0, "needs_environment": 0,
        }  # fmt: skip
    assert contents(root) == before


def test_an_empty_repository_is_said_to_have_no_tests(tmp_path: Path) -> None:
    done = run(tmp_path, tmp_path / ".." / f"{tmp_path.name}-home", "run-tests", "--here")
    assert done.returncode == 1
    assert "No tests were found" in done.stdout


def test_a_patch_carries_the_repair_of_one_test_to_another_copy(tmp_path: Path) -> None:
    home, root, other = (tmp_path / name for name in ("home", "warehouse", "other"))
    shutil.copytree(WAREHOUSE, root)
    shutil.copytree(WAREHOUSE, other)
    patch = tmp_path / "kept.patch"
    test = "tests/test_inventory.py::test_average_quantity_of_empty_inventory_is_zero"
    with serve(FakeServer(script=[text(INVENTORY)])) as server:
        fixed = run(
            root, home, "run-tests", "--fix", "--only", test, "--patch", str(patch),
            "--json", "--model", "fake", "--base-url", server.url, ELAGENT_FIX_SEARCH_S="0",
        )  # fmt: skip
    assert (fixed.returncode, fixed.stderr) == (1, ""), "two other tests stay red"
    (finished,) = events(fixed.stdout, "fix_finished")
    assert (finished["passed_before"], finished["passed_after"]) == (25, 26)
    subprocess.run(["/usr/bin/env", "git", "apply", str(patch)], cwd=other, check=True)
    changed = Path("warehouse", "inventory.py")
    assert (other / changed).read_bytes() == (root / changed).read_bytes()
    assert (other / changed).read_bytes() != (WAREHOUSE / changed).read_bytes()
