"""A vLLM that the person started, reached by its address: see `tests.fakes.vllm_server`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from agent.model.http_model import HttpModel
from agent.model.protocol import Reply, Waiting
from agent.model.serving import AdapterFolder, connect
from agent.paths import Paths
from agent.settings.schema import ModelSettings
from learning.model.catalog import InstalledModel, ModelIdentity, sha256_file, write_manifest
from learning.records import Message, Sampling
from tests.fakes.plain_lora import PLAIN_LORA
from tests.fakes.tiny_llama import write_tokenizer
from tests.fakes.vllm_server import FakeVllm, serve

IDENTITY = ModelIdentity(weights_sha256="w", tokenizer_sha256="t", template_sha256="p")
HELLO = (Message(role="user", content="hello"),)


class World:
    """An installed model, a vLLM that serves the folder of its weights, and an adapter for it."""

    def __init__(self, folder: Path) -> None:
        self.paths = Paths(folder / "home")
        weights = self.paths.models / "tiny" / "hf"
        weights.mkdir(parents=True)
        write_tokenizer(weights)
        model = InstalledModel(
            name="tiny", gguf=None, hf=weights, context_length=4096, identity=IDENTITY
        )
        write_manifest(weights.parent, model, licence="", hub_id="")
        self.fake = FakeVllm(folder=str(weights), name="tiny")
        self.adapter = self.made(folder / "made", b"weights")
        self.notices: list[str] = []

    @staticmethod
    def made(folder: Path, weights: bytes, *, rank: int = 4) -> AdapterFolder:
        folder.mkdir()
        (folder / "adapter_model.safetensors").write_bytes(weights)
        config = json.loads(PLAIN_LORA) | {"r": rank}
        (folder / "adapter_config.json").write_text(json.dumps(config))
        (folder / "elagent.json").write_text(json.dumps({"base": asdict(IDENTITY)}))
        digest = sha256_file(folder / "adapter_model.safetensors")
        return AdapterFolder(name=f"el-shop-v0001-{digest[:8]}", folder=folder)

    def connect(
        self, adapter: AdapterFolder | None = None
    ) -> AbstractAsyncContextManager[HttpModel]:
        return connect(
            "tiny",
            paths=self.paths,
            settings=ModelSettings(base_url=self.fake.url),
            launcher=[],
            environ={},
            adapter=adapter,
            on_notice=self.notices.append,
        )


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    found = World(tmp_path)
    with serve(found.fake):
        yield found


async def ask(model: HttpModel, *, max_tokens: int = 6) -> Reply:
    stream = model.stream(HELLO, sampling=Sampling(max_tokens=max_tokens))
    *_, last = [item async for item in stream if not isinstance(item, Waiting)]
    assert isinstance(last, Reply)
    return last


async def test_token_ids_and_log_probabilities_come_back(world: World) -> None:
    async with world.connect() as model:
        action = (await ask(model)).action
    assert (action.model, action.adapter) == ("tiny", None)
    assert action.prompt_ids == tuple(b"hello")
    assert action.text == "".join(f"<{id_}>" for id_ in action.token_ids)
    assert action.logprobs is not None
    assert len(action.logprobs) == len(action.token_ids) == 6
    (request,) = world.fake.requests
    assert request["repetition_penalty"] == 1.0, "the folder's own number must not count"


async def test_the_token_that_ends_a_reply_is_no_part_of_it(world: World) -> None:
    async with world.connect() as model:
        whole = (await ask(model)).action
        ids = whole.token_ids  # those of the fake depend on the folder, and one may come twice
        end = next(n for n in range(1, len(ids)) if ids[n] not in ids[:n])
        world.fake.end = ids[end]
        ended = model.at(replace(model.endpoint, stop_ids=(world.fake.end,)))
        action = (await ask(ended)).action
    assert action.finish == "stop"
    assert action.token_ids == ids[:end]
    assert action.logprobs == (whole.logprobs or ())[:end]


async def test_a_foreign_folder_under_the_same_name_gives_text_only_and_gets_no_adapter(
    world: World, tmp_path: Path
) -> None:
    world.fake.folder = str(tmp_path)
    async with world.connect(world.adapter) as model:
        action = (await ask(model)).action
        assert model.adapter is None
    assert action.token_ids == ()
    assert "return_token_ids" not in world.fake.requests[0]
    (notice,) = world.notices
    assert "elagent serve --engine vllm" in notice
    assert world.fake.loads == []


async def test_an_adapter_is_loaded_by_its_name_answers_and_is_unloaded(world: World) -> None:
    async with world.connect() as model:
        base = (await ask(model)).action
    async with world.connect(world.adapter) as model:
        action = (await ask(model)).action
        assert list(world.fake.adapters.values()) == [str(world.adapter.folder)]
    assert action.adapter == model.adapter == world.adapter.name
    assert action.token_ids != base.token_ids
    assert world.notices == []
    assert world.fake.loads == world.fake.unloads == [world.adapter.name]


async def test_sessions_switch_between_adapters_of_one_server(world: World, tmp_path: Path) -> None:
    other = world.made(tmp_path / "other", b"other weights")
    async with world.connect(world.adapter) as first, world.connect(other) as second:
        said = [(await ask(model)).action for model in (first, second, first)]
    assert [action.adapter for action in said] == [world.adapter.name, other.name, first.adapter]
    assert said[0].token_ids == said[2].token_ids != said[1].token_ids


async def test_two_sessions_with_one_adapter_do_not_disturb_each_other(world: World) -> None:
    async with world.connect(world.adapter) as second:
        before = (await ask(second)).action
        world.fake.adapters.clear()  # as when the session that loaded it ends, or vLLM is restarted
        after = (await ask(second)).action
    assert after == before
    assert world.fake.loads == [world.adapter.name] * 2


async def test_a_name_that_stands_for_other_weights_is_refused(
    world: World, tmp_path: Path
) -> None:
    other = world.made(tmp_path / "other", b"other weights")
    reused = AdapterFolder(name=world.adapter.name, folder=other.folder)
    async with world.connect(reused) as model:
        assert model.adapter is None
    assert "not those of its name" in world.notices[0]
    assert world.fake.loads == []


async def test_an_adapter_of_another_model_is_refused(world: World) -> None:
    base = asdict(IDENTITY) | {"weights_sha256": "others"}
    (world.adapter.folder / "elagent.json").write_text(json.dumps({"base": base}))
    async with world.connect(world.adapter) as model:
        assert model.adapter is None
    assert "base weights" in world.notices[0]


async def test_a_server_that_answers_without_the_adapter_is_found_out(world: World) -> None:
    world.fake.effect = False
    async with world.connect(world.adapter) as model:
        assert model.adapter is None
    assert "no effect" in world.notices[0]
    assert world.fake.adapters == {}


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ({"updating": False}, "VLLM_ALLOW_RUNTIME_LORA_UPDATING=True"),
        ({"lora": False}, "--enable-lora"),
        ({"max_rank": 2}, "LoRA rank 4 is greater than max_lora_rank 2.*--max-lora-rank"),
        ({"sees_paths": False}, "No adapter found for .*at the same path"),
    ],
)
async def test_what_vllm_refuses_is_told_in_its_words_and_with_the_remedy(
    world: World, state: dict[str, object], told: str
) -> None:
    for name, value in state.items():
        setattr(world.fake, name, value)
    async with world.connect(world.adapter) as model:
        assert model.adapter is None
        assert (await ask(model)).action.text
    (notice,) = world.notices
    assert world.adapter.name in notice
    assert re.search(told, notice)
