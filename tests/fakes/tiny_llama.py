"""A Llama of a few thousand random weights with a byte tokenizer: trains in milliseconds."""

from __future__ import annotations

import json
from pathlib import Path

from learning.model.catalog import InstalledModel, ModelIdentity
from learning.model.chat import ChatFormat
from learning.records import Action, Experience, Message
from tests.fakes.experiences import make_action, make_experience

NAME = "tiny"
_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


_MARKS = ("<|im_start|>", "<|im_end|>")


def write_tokenizer(folder: Path) -> tuple[int, int]:
    """Write a byte tokenizer and its template; gives the number of tokens, and the one that ends a reply."""
    folder.mkdir(parents=True, exist_ok=True)
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(mark, special=True) for mark in _MARKS])
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"eos_token": _MARKS[1], "chat_template": _TEMPLATE})
    )
    return len(alphabet) + len(_MARKS), len(alphabet) + 1


def build_tiny_model(folder: Path) -> InstalledModel:
    """Write the model into an empty folder, in the layout of any other converted model."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    tokens, end = write_tokenizer(folder)
    torch.manual_seed(7)
    config = LlamaConfig(
        vocab_size=tokens,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=4096,
        tie_word_embeddings=False,
        initializer_range=0.3,  # wide enough for the head to tell tokens apart
        eos_token_id=end,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    chat = ChatFormat.load(folder)
    identity = ModelIdentity(
        weights_sha256="0" * 64,
        tokenizer_sha256=chat.tokenizer_sha256,
        template_sha256=chat.template_sha256,
    )
    return InstalledModel(name=NAME, gguf=None, hf=folder, context_length=4096, identity=identity)


def spoken(
    chat: ChatFormat, id_: str, text: str, *, asked: str = "Repair it.", **changes: object
) -> Experience:
    """An experience whose token ids are really those of its prompt and reply."""
    messages = (
        Message(role="system", content="You repair."),
        Message(role="user", content=asked),
    )
    action: Action = make_action(
        text,
        prompt_ids=tuple(chat.encode(messages)),
        token_ids=tuple(chat.encode_text(text)),
        logprobs=None,
    )
    return make_experience(id_, **{"messages": messages, "action": action, **changes})
