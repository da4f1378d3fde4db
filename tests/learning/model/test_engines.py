from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from learning.model.catalog import InstalledModel
from learning.model.chat import ChatFormat
from learning.model.engine import Engine, EngineError, PromptTooLongError, Token, Usage
from learning.model.llama.engine import LlamaEngine
from learning.model.torch_engine import TorchEngine
from learning.records import Message, Sampling
from tests.learning.model.conftest import ADAPTER

pytestmark = pytest.mark.model

QUESTION = (Message(role="user", content="Write a Python function that adds two numbers."),)
EMOJI = "😀" * 20


@pytest.fixture(params=["llama", "torch"])
def engine(request: pytest.FixtureRequest) -> Engine:
    found: Engine = request.getfixturevalue(f"{request.param}_engine")
    return found


def run(
    engine: Engine, chat: ChatFormat, prompt: list[int], sampling: Sampling, **more: object
) -> tuple[list[Token], Usage]:
    counted: list[Usage] = []
    tokens = list(
        engine.generate(
            prompt,
            sampling=sampling,
            stop_ids=chat.stop_ids,
            on_usage=counted.append,
            **more,  # type: ignore[arg-type]
        )
    )
    assert len(counted) == 1
    return tokens, counted[0]


def test_greedy_tokens_are_the_most_likely_and_carry_their_logprobs(
    engine: Engine, torch_engine: TorchEngine, chat: ChatFormat
) -> None:
    prompt = chat.encode(QUESTION)
    tokens, usage = run(engine, chat, prompt, Sampling(max_tokens=16))
    assert (usage.prompt_tokens, usage.completion_tokens) == (len(prompt), 16)
    scores = torch_engine.score(prompt, [token.id for token in tokens])
    errors = [abs(token.logprob - score) for token, score in zip(tokens, scores, strict=True)]
    # torch against itself differs by rounding only; llama.cpp also quantises activations.
    assert max(errors) < (1e-3 if engine is torch_engine else 0.3)


def test_sampled_logprobs_do_not_depend_on_the_temperature(
    engine: Engine, torch_engine: TorchEngine, chat: ChatFormat
) -> None:
    prompt = chat.encode(QUESTION)
    tokens, _ = run(
        engine, chat, prompt, Sampling(temperature=1.4, top_p=0.9, seed=5, max_tokens=12)
    )
    scores = torch_engine.score(prompt, [token.id for token in tokens])
    errors = [abs(token.logprob - score) for token, score in zip(tokens, scores, strict=True)]
    assert sum(errors) / len(errors) < 0.2


def test_a_seed_repeats_and_another_does_not(engine: Engine, chat: ChatFormat) -> None:
    prompt = chat.encode(QUESTION)
    draws = [
        [
            t.id
            for t in run(engine, chat, prompt, Sampling(temperature=1.5, seed=s, max_tokens=12))[0]
        ]
        for s in (1, 1, 2)
    ]
    assert draws[0] == draws[1] != draws[2]


def test_a_second_turn_reads_only_what_is_new(engine: Engine, chat: ChatFormat) -> None:
    prompt = chat.encode((Message(role="user", content=f"Say hello to {id(engine)}."),))
    tokens, _ = run(engine, chat, prompt, Sampling(max_tokens=10))
    said = [*prompt, *(token.id for token in tokens)]
    more = chat.encode_text(
        "<|im_end|>\n<|im_start|>user\nAgain.<|im_end|>\n<|im_start|>assistant\n"
    )
    _, usage = run(engine, chat, [*said, *more], Sampling(max_tokens=2))
    # The last token of a reply is never read back, so it is new as well.
    assert usage.cached_tokens >= len(said) - 1


def test_a_cached_prompt_gives_the_same_reply(engine: Engine, chat: ChatFormat) -> None:
    first, second = chat.encode(QUESTION), chat.encode((Message(role="user", content="Hi."),))
    sampling = Sampling(max_tokens=10)
    fresh, _ = run(engine, chat, first, sampling)
    run(engine, chat, second, sampling)
    run(engine, chat, first[:-3], sampling)
    again, usage = run(engine, chat, first, sampling)
    assert usage.cached_tokens > 0
    assert [token.id for token in again] == [token.id for token in fresh]


def test_the_cache_of_one_adapter_never_serves_another(engine: Engine, chat: ChatFormat) -> None:
    prompt = chat.encode((Message(role="user", content="Write a haiku on tests."),))
    sampling = Sampling(max_tokens=8)
    base, _ = run(engine, chat, prompt, sampling)
    adapted, usage = run(engine, chat, prompt, sampling, adapter=ADAPTER)
    assert usage.cached_tokens == 0
    base_again, _ = run(engine, chat, prompt, sampling)
    # llama.cpp still has the prompt as the base read it, and rounds differently when it goes on from there
    close = 1e-3 if isinstance(engine, TorchEngine) else 0.3
    assert [t.logprob for t in base_again] == pytest.approx([t.logprob for t in base], abs=close)
    assert [t.logprob for t in adapted] != pytest.approx([t.logprob for t in base], abs=1e-2)


def test_tokens_inside_a_character_are_all_told(
    engine: Engine, torch_engine: TorchEngine, chat: ChatFormat
) -> None:
    prompt = chat.encode_text(EMOJI)
    tokens, usage = run(engine, chat, prompt, Sampling(max_tokens=9))
    assert usage.completion_tokens == len(tokens) == 9
    assert chat.decode([token.id for token in tokens]) == "😀😀😀"
    scores = torch_engine.score(prompt, [token.id for token in tokens])
    errors = [abs(token.logprob - score) for token, score in zip(tokens, scores, strict=True)]
    assert max(errors) < 0.5


def test_a_long_reply_is_made_of_several_runs_without_a_seam(
    llama_engine: LlamaEngine, chat: ChatFormat
) -> None:
    prompt = chat.encode_text("1 2 3 4 5 6 7 8")
    counted: list[Usage] = []
    tokens = list(
        llama_engine.generate(
            prompt, sampling=Sampling(max_tokens=280), stop_ids=(), on_usage=counted.append
        )
    )
    assert len(tokens) == counted[0].completion_tokens == 280
    numbers = chat.decode([token.id for token in tokens]).split()[:90]
    assert numbers == [str(number) for number in range(9, 99)]


def test_cancelling_stops_before_the_prompt_is_read(engine: Engine, chat: ChatFormat) -> None:
    tokens, usage = run(engine, chat, list(range(700, 1200)), Sampling(), cancelled=lambda: True)
    assert (tokens, usage.completion_tokens) == ([], 0)


def test_cancelling_stops_at_the_next_token(engine: Engine, chat: ChatFormat) -> None:
    made: list[Token] = []
    cancelled: Callable[[], bool] = lambda: len(made) >= 3  # noqa: E731 - reads what follows
    for token in engine.generate(
        chat.encode(QUESTION), sampling=Sampling(max_tokens=200), stop_ids=(), cancelled=cancelled
    ):
        made.append(token)  # noqa: PERF402 - seen by `cancelled` while it grows
    assert 3 <= len(made) <= 4


def test_a_prompt_that_does_not_fit_is_refused(engine: Engine, chat: ChatFormat) -> None:
    with pytest.raises(PromptTooLongError, match=r"512 tokens.*at most 512"):
        run(engine, chat, [5] * 512, Sampling())


def test_a_reply_ends_at_the_end_of_the_context(engine: Engine, chat: ChatFormat) -> None:
    counted: list[Usage] = []
    tokens = list(
        engine.generate(
            list(range(1000, 1509)), sampling=Sampling(), stop_ids=(), on_usage=counted.append
        )
    )
    assert len(tokens) == counted[0].completion_tokens == 3


def test_an_adapter_that_is_not_loaded_is_refused(engine: Engine, chat: ChatFormat) -> None:
    with pytest.raises(EngineError, match="el-other is not loaded"):
        run(engine, chat, [5], Sampling(), adapter="el-other")


def test_a_folder_that_is_no_adapter_leaves_the_engine_usable(
    engine: Engine, chat: ChatFormat, tmp_path: Path
) -> None:
    with pytest.raises(EngineError):
        engine.prepare_adapter("el-broken", tmp_path)()
    assert len(run(engine, chat, [5], Sampling(max_tokens=1))[0]) == 1


def test_an_adapter_without_effect_is_refused_and_the_engine_goes_on(
    engine: Engine, chat: ChatFormat, adapter: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(adapter, tmp_path / "idle")
    weights = load_file(folder / "adapter_model.safetensors")
    idle = {k: v * 0 if "lora_B" in k else v for k, v in weights.items()}
    save_file(idle, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    with pytest.raises(EngineError, match="el-idle has no effect"):
        engine.prepare_adapter("el-idle", folder)()
    with pytest.raises(EngineError, match="el-idle is not loaded"):
        run(engine, chat, [5], Sampling(), adapter="el-idle")
    assert len(run(engine, chat, [5], Sampling(max_tokens=1), adapter=ADAPTER)[0]) == 1


def test_a_damaged_gguf_is_refused(tiny_model: InstalledModel, hf: Path, tmp_path: Path) -> None:
    assert tiny_model.gguf
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(tiny_model.gguf.read_bytes()[:1_000_000])
    with pytest.raises(EngineError, match=r"cannot load broken\.gguf"):
        LlamaEngine(broken, hf, model_context=512)


def test_llama_killed_as_a_memory_killer_does_answers_again_with_its_adapters(
    tiny_model: InstalledModel, hf: Path, adapter: Path, chat: ChatFormat
) -> None:
    assert tiny_model.gguf
    engine = LlamaEngine(tiny_model.gguf, hf, model_context=8192, context_length=512)
    with closing(engine):
        engine.prepare_adapter(ADAPTER, adapter)()
        prompt = chat.encode_text("one two three")
        ask = partial(
            engine.generate, prompt, sampling=Sampling(max_tokens=4), stop_ids=(), adapter=ADAPTER
        )
        before = [token.id for token in ask()]
        assert engine._binding
        os.kill(engine._binding.pid, signal.SIGKILL)
        while engine.alive:
            os.sched_yield()
        assert [token.id for token in ask()] == before
        assert engine.alive
