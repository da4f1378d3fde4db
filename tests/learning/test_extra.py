"""Without torch, transformers and peft, all that needs them says so in one sentence with how to get them."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from learning.extra import NotInstalledError, missing, need, problem
from learning.model.convert import convert_for_serving, convert_weights
from learning.model.server import pick_engine
from tests.fakes.wheels import install_fake

ROOT = Path(__file__).resolve().parents[2]
SENTENCE = (
    "{} needs torch, transformers and peft, which are not installed: "
    'pip install "elagent[learn]" (on a machine without a GPU first: '
    "pip install torch --index-url https://download.pytorch.org/whl/cpu)"
)
BLOCKED = """
import sys
for name in ("torch", "transformers", "peft"):
    sys.modules[name] = None  # as if it were not installed
"""


@pytest.fixture
def light(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process, as if the packages of the extra were not installed."""
    for name in ("torch", "transformers", "peft"):
        monkeypatch.setitem(sys.modules, name, None)


@pytest.mark.usefixtures("light")
def test_the_sentence_names_what_is_missing_and_how_to_get_it() -> None:
    assert problem("Learning") == SENTENCE.format("Learning")
    with pytest.raises(NotInstalledError) as said:
        need("The torch engine")
    assert str(said.value) == SENTENCE.format("The torch engine")


def test_one_package_alone_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert problem("Learning") == ""
    monkeypatch.setitem(sys.modules, "peft", None)
    assert missing() == ["peft"]
    assert problem("Learning").startswith("Learning needs peft, which is not installed: pip")


@pytest.mark.usefixtures("light")
def test_a_gguf_file_is_served_by_llama_cpp_and_only_a_folder_wants_torch(tmp_path: Path) -> None:
    model = install_fake(tmp_path)
    assert pick_engine(model, "auto") == "llama"
    with pytest.raises(NotInstalledError, match=r"^The torch engine needs torch"):
        pick_engine(model, "torch")
    with pytest.raises(NotInstalledError, match=r"^fake has no GGUF file, so serving it needs"):
        pick_engine(replace(model, gguf=None), "auto")


@pytest.mark.usefixtures("light")
def test_weights_are_not_unpacked_and_nothing_of_them_is_left(tmp_path: Path) -> None:
    model = install_fake(tmp_path)
    assert model.gguf
    assert model.hf
    with pytest.raises(NotInstalledError, match=r"^Unpacking weights for training needs torch"):
        convert_weights(
            model.gguf, tmp_path / "weights", like=model.hf, on_progress=lambda *_: None
        )
    assert not list(tmp_path.glob("*weights*"))


@pytest.mark.usefixtures("light")
def test_a_tokenizer_that_only_transformers_reads_says_what_it_needs(tmp_path: Path) -> None:
    from gguf import GGUFWriter

    writer = GGUFWriter(tmp_path / "old.gguf", "llama")
    writer.add_tokenizer_model("llama")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    told = r"^old\.gguf cannot be converted here: its tokenizer is of the kind llama, which needs torch"
    with pytest.raises(NotInstalledError, match=told):
        convert_for_serving(tmp_path / "old.gguf", tmp_path / "hf", on_progress=lambda *_: None)
    assert [path.name for path in tmp_path.iterdir()] == ["old.gguf"]


def test_the_worker_ends_with_the_sentence_and_code_3(tmp_path: Path) -> None:
    code = f"{BLOCKED}\nfrom learning.training.worker import main\nsys.exit(main([sys.argv[1]]))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (3, SENTENCE.format("Learning") + "\n")
