"""A llama.cpp that cannot be loaded is told with what it lacks, and with the package that brings it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from agent.library.doctor import checks
from agent.settings.schema import ModelSettings
from learning.model.llama.library import loading_problem, offloads_layers


@pytest.fixture
def binding_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a binding in the place of the real one."""
    (tmp_path / "xllamacpp").mkdir()
    for name in [name for name in sys.modules if name.partition(".")[0] == "xllamacpp"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path / "xllamacpp" / "__init__.py"


def test_a_missing_library_of_the_system_is_named_with_its_package(binding_says: Path) -> None:
    missing = "libgomp.so.1: cannot open shared object file: No such file or directory"
    binding_says.write_text(f"raise ImportError({missing!r})\n")
    assert loading_problem() == (
        f"llama.cpp cannot be loaded: {missing}. "
        "Install GCC's OpenMP library (Debian or Ubuntu: apt-get install libgomp1)."
    )
    assert not offloads_layers()
    assert any(
        loading_problem() == check.what and not check.ok for check in checks(ModelSettings())
    )


def test_a_binding_that_is_not_there_is_to_be_installed(binding_says: Path) -> None:
    binding_says.write_text("raise ImportError('no such build')\n")
    assert loading_problem() == (
        "llama.cpp cannot be loaded: no such build. "
        "Install it (pip install --force-reinstall --no-deps xllamacpp)."
    )


def test_nothing_is_said_of_one_that_loads() -> None:
    pytest.importorskip("xllamacpp")
    assert not loading_problem()
