"""Writes what serving needs of a GGUF file to a folder: configuration, tokenizer and chat template.

Works with `tokenizers` alone, and gives the tokenizer that transformers makes of the same file, to the
byte: an adapter fits a model whichever of them wrote its folder. (To a vocabulary without `<|endoftext|>`
transformers adds it; here it stays as it is.) Only vocabularies of byte-level BPE are read, which GGUF
calls "gpt2": those of Qwen, Llama 3, SmolLM2, Granite and most others since.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from learning.model.gguf_file import GgufError, GgufHeader

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from tokenizers.pre_tokenizers import PreTokenizer
    from tokenizers.processors import PostProcessor

_BYTE_LEVEL = "gpt2"
_CONTROL, _USER_DEFINED = 3, 4
"""Types of tokens in GGUF: marks of a conversation, and words of the model's maker."""
_WHOLE = (_CONTROL, _USER_DEFINED)
"""Types of tokens that are never cut."""
_SHAPE = {
    "max_position_embeddings": "context_length",
    "hidden_size": "embedding_length",
    "intermediate_size": "feed_forward_length",
    "num_hidden_layers": "block_count",
    "num_attention_heads": "attention.head_count",
    "num_key_value_heads": "attention.head_count_kv",
    "head_dim": "attention.key_length",
}
"""Fields of `config.json` that serving reads, and GGUF's names for them."""
_IDS = {"bos_token": "bos", "eos_token": "eos", "unk_token": "unknown", "pad_token": "padding"}
_SHORT = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_BEGIN = r"[^\r\n\p{L}\p{N}]?"
_SPACES = r"\s*[\r\n]+|\s+(?!\S)|\s+"
_MARKS = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|" + _SPACES
_CASED_MARKS = r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|" + _SPACES
_QWEN2 = f"{_SHORT}|{_BEGIN}" r"\p{L}+|\p{N}" + _MARKS
_QWEN35 = f"{_SHORT}|{_BEGIN}" r"[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|" + _SPACES
_LLAMA3 = f"{_SHORT}|{_BEGIN}" r"\p{L}+|\p{N}{1,3}" + _MARKS
_TEKKEN = f"{_BEGIN}{_UPPER}*{_LOWER}+|{_BEGIN}{_UPPER}+{_LOWER}*" r"|\p{N}" + _CASED_MARKS
_GPT4O = (
    f"{_BEGIN}{_UPPER}*{_LOWER}+{_SHORT}?|{_BEGIN}{_UPPER}+{_LOWER}*{_SHORT}?"
    r"|\p{N}{1,3}" + _CASED_MARKS
)
_SPLITS = {
    **dict.fromkeys(("qwen2", "deepseek-r1-qwen", "kormo", "f2llmv2", "megrez"), _QWEN2),
    "qwen35": _QWEN35,
    **dict.fromkeys(("llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1"), _LLAMA3),
    **dict.fromkeys(("pixtral", "midm-2.0", "lfm2", "jina-v5-nano", "dbrx", "smaug-bpe"), _LLAMA3),
    "tekken": _TEKKEN,
    **dict.fromkeys(("gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2"), _GPT4O),
}
"""Regular expressions that cut a text into words, by GGUF's names; any other is cut as GPT-2 does."""


class OtherTokenizerError(GgufError):
    """The vocabulary of the file is of another kind than is read here."""


def write_serving_folder(header: GgufHeader, out: Path) -> None:
    """Write the files into the new folder `out`.

    Raises:
        OtherTokenizerError: If the vocabulary is none of byte-level BPE.
        GgufError: If something is missing in the file, or does not fit together.
        OSError: If a file cannot be written.
    """
    kind = header.settings.get("tokenizer.ggml.model")
    if kind is None:
        raise GgufError("it has no tokenizer")
    if kind != _BYTE_LEVEL:
        raise OtherTokenizerError(f"its tokenizer is of the kind {kind}")
    tokens = _texts(header, "tokens")
    out.mkdir(parents=True)
    _write_json(out / "config.json", _config(header, tokens))
    text = _tokenizer(header, tokens).to_str(pretty=True)
    (out / "tokenizer.json").write_text(text, encoding="utf-8")
    named = {name: _named(header, tokens, key) for name, key in _IDS.items()}
    _write_json(
        out / "tokenizer_config.json", {**named, "tokenizer_class": "PreTrainedTokenizerFast"}
    )
    template = header.settings.get("tokenizer.chat_template")
    if isinstance(template, str):
        (out / "chat_template.jinja").write_text(template, encoding="utf-8")


def _config(header: GgufHeader, tokens: Sequence[str]) -> dict[str, object]:
    if not header.architecture:
        raise GgufError("it does not name its architecture")
    found = {name: _largest(header.own(key)) for name, key in _SHAPE.items()}
    ids = {f"{name}_id": _id(header, key) for name, key in _IDS.items() if name != "unk_token"}
    known = {name: value for name, value in {**found, **ids}.items() if value is not None}
    return {"model_type": header.architecture, **known, "vocab_size": len(tokens)}


def _largest(value: object) -> object:
    """Some models have one number a layer, such as heads of attention."""
    return max(value) if isinstance(value, list) and value else value


def _tokenizer(header: GgufHeader, tokens: Sequence[str]) -> Tokenizer:
    from tokenizers import AddedToken, Tokenizer, decoders, models

    kinds = header.settings.get("tokenizer.ggml.token_type")
    if not isinstance(kinds, list) or len(kinds) != len(tokens):
        raise GgufError("its tokens have no types")
    marks = {token: kind for token, kind in zip(tokens, kinds, strict=True) if kind in _WHOLE}
    letters = _byte_letters()
    alphabet = frozenset(letters)
    words = [
        token
        if token in marks or alphabet.issuperset(token)
        else "".join(letters[byte] for byte in token.encode())
        for token in tokens
    ]
    vocab = {word: number for number, word in enumerate(words)}
    merges = [_pair(merge) for merge in _texts(header, "merges")]
    try:
        tokenizer = Tokenizer(
            models.BPE(
                vocab=vocab,
                merges=merges,
                continuing_subword_prefix="",
                end_of_word_suffix="",
                fuse_unk=False,
            )
        )
    except Exception as err:  # tokenizers raises nothing narrower
        raise GgufError(f"its tokenizer does not fit together ({err})") from err
    tokenizer.pre_tokenizer = _cutting(str(header.settings.get("tokenizer.ggml.pre")))
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = _framing(header, tokens)
    for kind in _WHOLE:
        added = [
            AddedToken(mark, normalized=False, special=kind == _CONTROL)
            for mark, its_kind in marks.items()
            if its_kind == kind
        ]
        tokenizer.add_tokens(added)
    return tokenizer


def _cutting(name: str) -> PreTokenizer:
    """Cut a text into words, and spell them in letters that stand for bytes."""
    from tokenizers import Regex
    from tokenizers.pre_tokenizers import ByteLevel, Sequence as Both, Split

    if name not in _SPLITS:
        return ByteLevel(add_prefix_space=False)
    words = Split(Regex(_SPLITS[name]), behavior="isolated")
    return Both([words, ByteLevel(add_prefix_space=False, use_regex=False)])


def _framing(header: GgufHeader, tokens: Sequence[str]) -> PostProcessor:
    """The tokens that begin and end a text; a conversation's own stand in its template."""
    from tokenizers.processors import TemplateProcessing

    begin, end = (
        (_named(header, tokens, key), _id(header, key))
        if header.settings.get(f"tokenizer.ggml.add_{key}_token")
        else (None, None)
        for key in ("bos", "eos")
    )

    def framed(text: str, number: int) -> str:
        parts = (begin[0] and f"{begin[0]}:{number}", text, end[0] and f"{end[0]}:{number}")
        return " ".join(part for part in parts if part)

    return TemplateProcessing(
        single=framed("$A:0", 0),
        pair=f"{framed('$A:0', 0)} {framed('$B:1', 1)}",
        special_tokens=[(mark, id_) for mark, id_ in (begin, end) if mark is not None],
    )


def _byte_letters() -> Sequence[str]:
    """The letter of each byte: itself where it can be seen, else one from U+0100 on, as in GPT-2."""
    seen = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    unseen = [byte for byte in range(0x100) if byte not in seen]
    return [chr(byte if byte in seen else 0x100 + unseen.index(byte)) for byte in range(0x100)]


def _pair(merge: str) -> tuple[str, str]:
    left, _, right = merge.partition(" ")
    return left, right


def _texts(header: GgufHeader, key: str) -> list[str]:
    found = header.settings.get(f"tokenizer.ggml.{key}")
    if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
        raise GgufError(f"its tokenizer has no {key}")
    return found


def _id(header: GgufHeader, key: str) -> int | None:
    found = header.settings.get(f"tokenizer.ggml.{key}_token_id")
    return found if isinstance(found, int) else None


def _named(header: GgufHeader, tokens: Sequence[str], key: str) -> str | None:
    id_ = _id(header, key)
    return tokens[id_] if id_ is not None and 0 <= id_ < len(tokens) else None


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
