"""What serving needs of a GGUF file is read without torch, to the byte as transformers reads it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from learning.model.chat import ChatFormat
from learning.model.gguf_file import GgufError, read_header
from learning.model.serving_folder import write_serving_folder
from learning.records import Message

ROOT = Path(__file__).resolve().parents[3]
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
NORMAL, CONTROL, USER_DEFINED = 1, 3, 4


def write_gguf(path: Path, *, pre: str = "qwen2", bos: bool = False) -> None:
    """A model of a few numbers: every byte is a token, and there are two merges and four marks."""
    import numpy as np
    from gguf import GGUFWriter
    from tokenizers.pre_tokenizers import ByteLevel

    words = [*sorted(ByteLevel.alphabet()), "in", "\u0120in"]
    marks = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<tool_call>"]
    writer = GGUFWriter(path, "llama")
    writer.add_context_length(4096)
    writer.add_embedding_length(32)
    writer.add_feed_forward_length(64)
    writer.add_block_count(2)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(10000.0)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list([*words, *marks])
    writer.add_token_types([NORMAL] * len(words) + [CONTROL, CONTROL, CONTROL, USER_DEFINED])
    writer.add_token_merges(["i n", "\u0120 in"])
    writer.add_bos_token_id(len(words))
    writer.add_eos_token_id(len(words) + 2)
    writer.add_add_bos_token(bos)
    writer.add_chat_template(TEMPLATE)
    writer.add_tensor("output_norm.weight", np.ones((3, 5), dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.fixture
def written(tmp_path: Path) -> Path:
    write_gguf(tmp_path / "model.gguf")
    write_serving_folder(read_header(tmp_path / "model.gguf"), tmp_path / "hf")
    return tmp_path / "hf"


def test_settings_and_the_number_of_weights_are_read(tmp_path: Path) -> None:
    write_gguf(tmp_path / "model.gguf")
    header = read_header(tmp_path / "model.gguf")
    assert (header.architecture, header.own("context_length"), header.weights) == (
        *("llama", 4096),
        15,
    )


def test_a_conversation_becomes_the_tokens_of_its_words_and_marks(written: Path) -> None:
    chat = ChatFormat.load(written)
    ids = chat.encode([Message(role="user", content="put in \u00e9<tool_call>")])
    shown = [chat.tokenizer.id_to_token(id_) for id_ in ids]
    assert (shown[0], shown[-1]) == ("<|im_start|>", "\u010a")
    assert "\u0120in" in shown
    assert "<tool_call>" not in shown  # what the person writes is text
    assert chat.decode(chat.encode_text("put in \u00e9")) == "put in \u00e9"
    assert chat.tokenizer.token_to_id("<|im_end|>") in chat.stop_ids


def test_the_configuration_says_what_serving_and_exporting_an_adapter_read(written: Path) -> None:
    config = json.loads((written / "config.json").read_text())
    assert {
        "model_type": "llama", "max_position_embeddings": 4096, "hidden_size": 32,
        "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "vocab_size": 262,
    }.items() <= config.items()  # fmt: skip


def test_a_file_cut_anywhere_in_its_head_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    write_gguf(path)
    whole = path.read_bytes()
    for length in range(0, whole.index(b"output_norm.weight"), 97):
        path.write_bytes(whole[:length])
        with pytest.raises(GgufError):
            read_header(path)


@pytest.mark.parametrize(
    ("at", "value", "reason"),
    [
        (0, b"GGML", "does not begin"),
        (4, b"\x01", "version 1 of GGUF"),
        (16, b"\xff" * 8, "ends too early|unknown type"),
        (24, b"\xff" * 8, "ends too early"),
    ],
    ids=["magic", "version", "count of settings", "length of a key"],
)
def test_what_a_damaged_file_says_of_its_lengths_is_not_believed(
    at: int, value: bytes, reason: str, tmp_path: Path
) -> None:
    path = tmp_path / "model.gguf"
    write_gguf(path)
    content = bytearray(path.read_bytes())
    content[at : at + len(value)] = value
    path.write_bytes(content)
    with pytest.raises(GgufError, match=reason):
        read_header(path)


def test_torch_and_transformers_stay_away(tmp_path: Path) -> None:
    write_gguf(tmp_path / "model.gguf")
    code = (
        "import sys; from pathlib import Path\n"
        "from learning.model.resolve import resolve\n"
        "model = resolve(sys.argv[1], Path(sys.argv[2]))\n"
        "print(model.name, *{'torch', 'transformers', 'peft', 'gguf'} & set(sys.modules))"
    )
    argv = [sys.executable, "-c", code, str(tmp_path / "model.gguf"), str(tmp_path / "models")]
    told = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert len(told.split()) == 1


@pytest.mark.slow
@pytest.mark.parametrize(("pre", "bos"), [("qwen2", False), ("llama-bpe", True), ("smollm", False)])
def test_the_tokenizer_is_the_one_that_transformers_makes(
    pre: str, bos: bool, tmp_path: Path
) -> None:
    from transformers import AutoTokenizer

    write_gguf(tmp_path / "model.gguf", pre=pre, bos=bos)
    write_serving_folder(read_header(tmp_path / "model.gguf"), tmp_path / "ours")
    made = AutoTokenizer.from_pretrained(tmp_path, gguf_file="model.gguf", local_files_only=True)
    made.save_pretrained(tmp_path / "theirs")
    for name in ("tokenizer.json", "chat_template.jinja"):
        assert (tmp_path / "ours" / name).read_text() == (tmp_path / "theirs" / name).read_text()
    again = AutoTokenizer.from_pretrained(tmp_path / "ours", local_files_only=True)
    assert again("put in <|im_end|>")["input_ids"] == made("put in <|im_end|>")["input_ids"]


@pytest.mark.slow
def test_texts_are_cut_into_words_as_transformers_cuts_them() -> None:
    from transformers.integrations.gguf.gguf_tokenizer_mapping import GGUF_PRE_TOKENIZER_SPLITS

    from learning.model import serving_folder

    assert serving_folder._SPLITS == GGUF_PRE_TOKENIZER_SPLITS
