"""One GGUF file of the hub becomes a model that serves, resumed, checked and pinned; or nothing does."""

from __future__ import annotations

import errno
import hashlib
import json
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx2
import numpy as np
import pytest

from learning.model.catalog import InstalledModel, installed
from learning.model.convert import ConvertError, Progress
from learning.model.resolve import resolve
from learning.model.sources.entries import HubFile, ModelEntry, Shape
from learning.model.sources.fetch import pull
from learning.model.sources.hub_file import HubRequest, explained
from learning.model.sources.wheels import CorruptPartError, FetchError, NoNetworkError, NoSpaceError
from learning.training.resources import parameter_count
from tests.fakes.hub import COMMIT, TOKEN, FakeHub, served


def build_gguf(seed: int) -> bytes:
    """A file of 25 MB: the hub's library hands over 10 MiB at a time."""
    from gguf import GGUFWriter

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.gguf"
        writer = GGUFWriter(path, "qwen2")
        writer.add_tensor("weights", np.random.default_rng(seed).random(COUNT, dtype=np.float32))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path.read_bytes()


COUNT = 6_250_000
GGUF = build_gguf(1)
SHA256 = hashlib.sha256(GGUF).hexdigest()
TOKENIZER = {"version": "1.0", "model": {"type": "WordLevel", "vocab": {"w": 0}, "unk_token": "w"}}
ORIGINAL = {
    "config.json": json.dumps({"max_position_embeddings": 64}).encode(),
    "tokenizer.json": json.dumps(TOKENIZER).encode(),
    "tokenizer_config.json": b"{}",
    "chat_template.jinja": b"{{ messages }}",
    "model.safetensors": b"weights that nobody asked for",
}
ENTRY = ModelEntry(
    name="fake-7b",
    summary="A fake",
    hub_id="maker/fake",
    licence="Apache-2.0",
    parameters=1000,
    context_length=64,
    architecture="qwen2",
    shape=Shape(layers=1, key_value_heads=1, head_width=8, width=8, vocabulary=16),
    file=HubFile(repository="packer/fake-GGUF", name="fake-q4_k_m.gguf", size_bytes=25_000_000),
)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    files = {"fake-q4_k_m.gguf": GGUF, "fake-q8_0.gguf": b"another file"}
    with served(FakeHub({"maker/fake": dict(ORIGINAL), "packer/fake-GGUF": files})) as server:
        yield server


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return tmp_path / "models"


def pull_fake(
    hub: FakeHub,
    models: Path,
    *,
    entry: ModelEntry = ENTRY,
    on_progress: Progress = lambda *_: None,
    free: int = 10**12,
) -> InstalledModel:
    environ = {"HF_ENDPOINT": hub.endpoint}
    return pull(
        entry.name,
        models,
        on_progress=on_progress,
        entry=entry,
        environ=environ,
        free_bytes=lambda _: free,
    )


def visible(models: Path) -> set[str]:
    return {path.name for path in models.iterdir() if not path.name.startswith(".lock")}


def pinned(**changes: str) -> ModelEntry:
    assert ENTRY.file
    return replace(ENTRY, file=replace(ENTRY.file, **changes))  # type: ignore[arg-type]


def test_the_file_and_the_tokenizer_are_a_model_and_nothing_else_is_fetched(
    hub: FakeHub, models: Path
) -> None:
    model = pull_fake(hub, models)
    assert model.gguf
    assert model.hf
    assert model.gguf.read_bytes() == GGUF
    assert model.identity.weights_sha256 == SHA256
    assert model.context_length == 64
    assert visible(models) == {"fake-7b"}
    served = {*ORIGINAL, "weights.json"} - {"model.safetensors"}
    assert {path.name for path in model.hf.iterdir()} == served
    assert parameter_count(model.hf) == COUNT
    assert not any("safetensors" in what or "q8_0" in what for what in hub.asked)
    assert resolve(str(models / "fake-7b" / "model.gguf"), models) == model


def test_the_manifest_keeps_commit_and_digest_of_what_was_fetched(
    hub: FakeHub, models: Path
) -> None:
    pull_fake(hub, models)
    source = json.loads((models / "fake-7b" / "manifest.json").read_text())["source"]
    assert source == {
        "hub": hub.endpoint,
        "repository": "packer/fake-GGUF",
        "file": "fake-q4_k_m.gguf",
        "commit": COMMIT,
        "sha256": SHA256,
        "tokenizer_repository": "maker/fake",
        "tokenizer_commit": COMMIT,
    }


def test_progress_counts_bytes_up_to_the_whole(hub: FakeHub, models: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    pull_fake(hub, models, on_progress=lambda *step: seen.append(step))
    downloaded = [
        done for what, done, total in seen if what == "downloading" and total == len(GGUF)
    ]
    assert downloaded == sorted(downloaded)
    assert downloaded[-1] == len(GGUF)


def test_a_connection_cut_in_the_middle_is_taken_up_at_that_byte(
    hub: FakeHub, models: Path
) -> None:
    hub.cut_once_after = 15_000_000
    model = pull_fake(hub, models)
    assert model.gguf
    assert model.gguf.read_bytes() == GGUF
    first, second = hub.ranges
    assert first == ""
    assert 0 < int(second.removeprefix("bytes=").rstrip("-")) <= 15_000_000


class _KilledError(Exception):
    pass


def kill(what: str, done: int, _total: int) -> None:
    if what == "downloading" and done > 12_000_000:
        raise _KilledError


@pytest.mark.parametrize("ignores_ranges", [False, True])
def test_the_next_pull_goes_on_where_a_killed_one_stopped(
    hub: FakeHub, models: Path, *, ignores_ranges: bool
) -> None:
    with pytest.raises(_KilledError):
        pull_fake(hub, models, on_progress=kill)
    assert list(installed(models)) == []
    hub.ranges.clear()
    hub.ignores_ranges = ignores_ranges
    model = pull_fake(hub, models)
    assert model.gguf
    assert model.gguf.read_bytes() == GGUF
    (asked,) = hub.ranges
    assert int(asked.removeprefix("bytes=").rstrip("-")) >= 10_000_000


def test_what_is_left_of_another_version_is_not_continued(hub: FakeHub, models: Path) -> None:
    with pytest.raises(_KilledError):
        pull_fake(hub, models, on_progress=kill)
    changed = build_gguf(2)
    hub.repositories["packer/fake-GGUF"]["fake-q4_k_m.gguf"] = changed
    model = pull_fake(hub, models)
    assert model.gguf
    assert model.gguf.read_bytes() == changed


def test_a_token_goes_to_the_hub_and_not_to_its_cdn(
    hub: FakeHub, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.gated.add("packer/fake-GGUF")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert pull_fake(hub, models).gguf
    assert hub.leaked == []


@pytest.mark.parametrize(
    ("gated", "where"),
    [("packer/fake-GGUF", r"fake-q4_k_m\.gguf of packer/fake-GGUF"),
     ("maker/fake", r"config\.json of maker/fake")],
)  # fmt: skip
def test_a_gated_model_says_where_its_terms_are_accepted(
    hub: FakeHub, models: Path, gated: str, where: str
) -> None:
    hub.gated.add(gated)
    with pytest.raises(FetchError, match=rf"{where} only to those .*/{gated} and set HF_TOKEN\.$"):
        pull_fake(hub, models)
    assert visible(models) == set()
    assert hub.ranges == []


def test_a_repository_that_is_gone_is_named(hub: FakeHub, models: Path) -> None:
    del hub.repositories["maker/fake"]
    with pytest.raises(FetchError, match=r"^The hub has no repository maker/fake, or"):
        pull_fake(hub, models)
    assert visible(models) == set()


@pytest.mark.parametrize(
    ("entry", "where"),
    [(pinned(name="other.gguf"), r"other\.gguf of packer/fake-GGUF \(any more\)"),
     (pinned(commit="ab" * 20), r"packer/fake-GGUF at commit abababababab \(any more\)")],
    ids=["file", "commit"],
)  # fmt: skip
def test_a_file_or_commit_that_is_gone_is_named(
    hub: FakeHub, models: Path, entry: ModelEntry, where: str
) -> None:
    with pytest.raises(FetchError, match=rf"^The hub has no .*{where}: choose another"):
        pull_fake(hub, models, entry=entry)
    assert visible(models) == set()


def test_a_model_without_a_tokenizer_on_the_hub_is_refused(hub: FakeHub, models: Path) -> None:
    del hub.repositories["maker/fake"]["tokenizer.json"]
    with pytest.raises(FetchError, match=r"The hub has no tokenizer\.json of maker/fake"):
        pull_fake(hub, models)
    assert list(installed(models)) == []
    assert hub.ranges == []


def test_other_bytes_than_announced_are_removed_and_a_good_pull_follows(
    hub: FakeHub, models: Path
) -> None:
    hub.corrupt.add("fake-q4_k_m.gguf")
    with pytest.raises(
        CorruptPartError, match=r"its digest is wrong\); it was removed, please pull"
    ):
        pull_fake(hub, models)
    assert list(installed(models)) == []
    assert not list(models.rglob("*fake-q4*"))
    assert not list(models.rglob("*.gguf*"))
    hub.corrupt.clear()
    assert pull_fake(hub, models).gguf


def test_a_file_that_is_not_the_one_we_know_is_not_fetched(hub: FakeHub, models: Path) -> None:
    with pytest.raises(CorruptPartError, match=r"another fake-q4_k_m\.gguf .* than the one"):
        pull_fake(hub, models, entry=pinned(sha256="ab" * 32, commit=COMMIT))
    assert visible(models) == set()
    assert hub.ranges == []


def test_the_file_that_we_know_is_fetched_at_its_commit(hub: FakeHub, models: Path) -> None:
    assert pull_fake(hub, models, entry=pinned(sha256=SHA256, commit=COMMIT)).gguf


def test_a_hub_that_fails_keeps_what_came(hub: FakeHub, models: Path) -> None:
    hub.cdn_status = 503
    with pytest.raises(FetchError, match=r"refuses fake-q4_k_m\.gguf .*\(HTTP 503\): try again"):
        pull_fake(hub, models)
    assert list(installed(models)) == []


def test_no_hub_at_all_is_one_sentence_and_leaves_nothing(hub: FakeHub, models: Path) -> None:
    gone = FakeHub({}, endpoint="http://127.0.0.1:9")
    with pytest.raises(
        NoNetworkError, match=r"cannot be reached for fake-q4_k_m\.gguf .*pull again"
    ):
        pull_fake(gone, models)
    assert visible(models) == set()


def test_another_server_than_the_hub_is_recognised(hub: FakeHub, models: Path) -> None:
    entry = pinned(name="readme.txt")
    hub.repositories["packer/fake-GGUF"]["readme.txt"] = b"small"
    with pytest.raises(FetchError, match=r"names no SHA-256 for readme\.txt"):
        pull_fake(hub, models, entry=entry)


def test_a_file_that_is_no_model_is_not_installed(hub: FakeHub, models: Path) -> None:
    hub.repositories["packer/fake-GGUF"]["fake-q4_k_m.gguf"] = b"no model" * 100
    with pytest.raises(ConvertError, match=r"model\.gguf is not a readable GGUF file"):
        pull_fake(hub, models)
    assert list(installed(models)) == []


def test_too_little_space_is_said_before_anything_is_fetched(hub: FakeHub, models: Path) -> None:
    with pytest.raises(NoSpaceError, match=r"fake-7b needs 0\.1 GB .* but 0\.0 GB are free"):
        pull_fake(hub, models, free=1000)
    assert visible(models) == set()
    assert hub.ranges == []


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (
            httpx2.RemoteProtocolError("the peer closed"),
            r"cannot be reached for the model of a/b, or",
        ),
        (
            OSError(errno.ENOSPC, "No space left"),
            r"disk became full while fetching the model of a/b",
        ),
        (OSError(errno.EACCES, "Permission denied"), r"could not be written \(Permission denied\)"),
    ],
)
def test_a_fault_on_the_way_is_one_sentence(fault: Exception, said: str) -> None:
    with (
        pytest.raises(FetchError, match=said),
        explained(HubRequest(repository="a/b", name="the model"), "https://hub"),
    ):
        raise fault
