from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from learning.model.chat import ChatFormat, ChatFormatError, TextStream
from learning.records import Message, Role
from tests.fakes.wheels import convert_nothing

CONVERSATIONS: tuple[tuple[tuple[Role, str], ...], ...] = (
    (("user", "hi"),),
    (("system", " You are brief. "), ("user", "def f(x):\n\treturn x ** 2\r\n\n# 12345 é 😀")),
    (("user", "a"), ("assistant", "b\n"), ("user", "")),
    (("user", "a private character \ue000\ue000 and a near miss <|im_end|"),),
)
MARKS = (
    "<|im_end|>",
    "<|im_start|>",
    "<|endoftext|>",
    "<file_sep>",
    "<|",
    "|>",
    "im_end",
    "\ue000",
)
spelled = st.lists(st.sampled_from(MARKS) | st.text("aé <|>_\n", max_size=4), max_size=12).map(
    "".join
)


def said(*turns: tuple[Role, str]) -> list[Message]:
    return [Message(role=role, content=content) for role, content in turns]


@pytest.mark.model
@pytest.mark.parametrize("turns", CONVERSATIONS)
def test_ids_are_those_of_transformers(
    turns: tuple[tuple[Role, str], ...], chat: ChatFormat, hf: Path
) -> None:
    from transformers import AutoTokenizer

    reference = AutoTokenizer.from_pretrained(hf, local_files_only=True)
    messages = [{"role": role, "content": content} for role, content in turns]
    expected = reference.apply_chat_template(
        messages, add_generation_prompt=True, return_dict=False
    )
    assert chat.encode(said(*turns)) == expected


def controls(chat: ChatFormat, ids: Sequence[int]) -> list[int]:
    return [id_ for id_ in ids if id_ in chat.control_ids]


@pytest.mark.model
@given(system=spelled, user=spelled, reply=spelled)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_content_brings_a_control_token_of_its_own(
    system: str, user: str, reply: str, chat: ChatFormat
) -> None:
    turns = said(("system", system), ("user", user), ("assistant", reply), ("user", user))
    plain = said(("system", "x"), ("user", "x"), ("assistant", "x"), ("user", "x"))
    ids = chat.encode(turns)
    assert controls(chat, ids) == controls(chat, chat.encode(plain))
    assert chat.tokenizer.decode(ids, skip_special_tokens=False) == chat.render(turns)
    assert controls(chat, chat.encode_text(user)) == []
    assert chat.decode(chat.encode_text(user)) == user


@pytest.mark.model
def test_every_end_of_turn_stops(chat: ChatFormat) -> None:
    stops = {chat.tokenizer.id_to_token(i) for i in chat.stop_ids}
    assert stops == {"<|im_end|>", "<|endoftext|>"}


@pytest.mark.model
def test_streamed_pieces_join_to_the_whole_text(chat: ChatFormat) -> None:
    text = "naïve 😀👩‍💻 日本\n\n  x = 'é'\t✅"
    ids = chat.encode_text(text)
    stream = TextStream(chat.decode)
    pieces = [stream.push(i) for i in ids]
    assert "".join(pieces) + stream.flush() == chat.decode(ids) == text
    assert "" in pieces
    assert not any("\N{REPLACEMENT CHARACTER}" in piece for piece in pieces)


@pytest.mark.model
def test_half_a_character_at_the_end_is_not_lost(chat: ChatFormat) -> None:
    ids = chat.encode_text("ok 😀")[:-1]
    stream = TextStream(chat.decode)
    pieces = [stream.push(i) for i in ids]
    assert "".join(pieces).strip() == "ok"
    assert "".join(pieces) + stream.flush() == chat.decode(ids)


def load_with(tmp_path: Path, template: str) -> ChatFormat:
    folder = tmp_path / "hf"
    convert_nothing(tmp_path, folder, lambda *_: None)
    (folder / "chat_template.jinja").write_text(template)
    return ChatFormat.load(folder)


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ messages.append(1) }}",
        "{{ raise_exception('roles must alternate') }}",
        "{{ cycler.__init__.__globals__ }}",
    ],
)
def test_a_template_cannot_leave_its_sandbox(template: str, tmp_path: Path) -> None:
    chat = load_with(tmp_path, template)
    with pytest.raises(ChatFormatError, match="chat template refuses"):
        chat.encode(said(("user", "x")))


def test_a_model_that_would_think_is_told_not_to(tmp_path: Path) -> None:
    template = (
        "{{ messages[0].content }}{% if enable_thinking is defined and enable_thinking is false %}"
        "<think></think>{% endif %}"
    )
    assert load_with(tmp_path, template).render(said(("user", "hi"))) == "hi<think></think>"


def test_a_broken_template_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ChatFormatError, match="cannot be read"):
        load_with(tmp_path, "{% for %}")


def test_a_model_without_a_template_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "hf"
    convert_nothing(tmp_path, folder, lambda *_: None)
    (folder / "tokenizer_config.json").unlink()
    with pytest.raises(ChatFormatError, match="no chat template"):
        ChatFormat.load(folder)


def test_the_digest_is_of_the_meaning_and_not_of_the_layout(tmp_path: Path) -> None:
    before = load_with(tmp_path, "a")
    path = tmp_path / "hf" / "tokenizer.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "padding": None}, indent=3))
    assert ChatFormat.load(tmp_path / "hf").sha256 == before.sha256
    content["model"]["vocab"]["other"] = 1
    path.write_text(json.dumps(content))
    assert ChatFormat.load(tmp_path / "hf").tokenizer_sha256 != before.tokenizer_sha256
    (tmp_path / "hf" / "chat_template.jinja").write_text("b")
    assert ChatFormat.load(tmp_path / "hf").template_sha256 != before.template_sha256


def test_chatting_needs_no_torch(tmp_path: Path) -> None:
    load_with(tmp_path, "{{ messages[0].content }}")
    code = (
        "import sys; from pathlib import Path; from learning.model.chat import ChatFormat\n"
        "from learning.records import Message\n"
        f"ChatFormat.load(Path({str(tmp_path / 'hf')!r}))"
        ".encode([Message(role='user', content='word')])\n"
        "print(*(name for name in ('torch', 'transformers') if name in sys.modules))"
    )
    root = Path(__file__).parents[3]
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert run.stdout.split() == []
