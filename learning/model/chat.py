"""One chat format for serving and training: messages to token ids, token ids to text.

Works on the files that every converted model has (`tokenizer.json`, the chat template) with
`tokenizers` and sandboxed jinja2 alone, so the ids are the same in every process and no process
needs torch for them.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from learning.model.engine import LocalModelError
from learning.records import Message

if TYPE_CHECKING:
    from jinja2 import Template
    from tokenizers import Tokenizer

_END_OF_TURN = (
    "<|im_end|>",
    "<|endoftext|>",
    "<|eot_id|>",
    "<|end_of_text|>",
    "<|end|>",
    "<end_of_turn>",
    "</s>",
)
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_PRIVATE = "\ue000"
"""A character without a meaning; no template changes it."""
_MAX_HELD_TOKENS = 8
"""A character has at most four bytes; a longer run without one is not text at all."""


class ChatFormatError(LocalModelError):
    """The model's tokenizer or chat template cannot be read or used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatFormat:
    """Tokenizer and chat template of one model."""

    tokenizer: Tokenizer
    template: Template
    special_tokens: dict[str, str]
    stop_ids: tuple[int, ...]
    control_ids: frozenset[int]
    """Tokens that structure a conversation, a tool call or a file, and that no content may hold."""
    tokenizer_sha256: str
    template_sha256: str

    @classmethod
    def load(cls, hf_folder: Path) -> ChatFormat:
        """Read the format of a model folder.

        Raises:
            ChatFormatError: If the folder lacks a tokenizer or a chat template.
        """
        from tokenizers import Tokenizer

        try:
            text = (hf_folder / "tokenizer.json").read_text(encoding="utf-8")
            config = _read_json(hf_folder / "tokenizer_config.json")
        except (OSError, ValueError) as err:
            raise ChatFormatError(
                f"{hf_folder} has no readable tokenizer.json: not a usable model folder."
            ) from err
        tokenizer: Tokenizer = Tokenizer.from_str(text)
        tokenizer.no_truncation()
        tokenizer.no_padding()
        source = _template_source(hf_folder, config)
        special = _special_tokens(config)
        return cls(
            tokenizer=tokenizer,
            template=_compile(source),
            special_tokens=special,
            stop_ids=_stop_ids(hf_folder, tokenizer, special),
            control_ids=_control_ids(tokenizer),
            tokenizer_sha256=_digest_tokenizer(text),
            template_sha256=hashlib.sha256(source.encode()).hexdigest(),
        )

    @property
    def sha256(self) -> str:
        """One digest over tokenizer and template."""
        return hashlib.sha256(f"{self.tokenizer_sha256}{self.template_sha256}".encode()).hexdigest()

    def render(self, messages: Sequence[Message]) -> str:
        """The conversation as text, ending where the assistant begins to speak.

        Models that think unless their template is told otherwise (Qwen3) are told: small ones spend
        their whole reply on it.
        """
        from jinja2 import TemplateError

        plain = [{"role": message.role, "content": message.content} for message in messages]
        try:
            return self.template.render(
                messages=plain,
                tools=None,
                documents=None,
                add_generation_prompt=True,
                enable_thinking=False,
                **self.special_tokens,
            )
        except TemplateError as err:
            raise ChatFormatError(
                f"The model's chat template refuses this conversation: {err}"
            ) from err

    def encode(self, messages: Sequence[Message]) -> list[int]:
        """Token ids of the conversation with the generation prompt.

        Control tokens come from the template alone: a content that spells one is read as the
        characters that it is made of, so that no file and no tool's output can end a turn. For
        contents without such spellings these are the ids that transformers gives.

        Raises:
            ChatFormatError: If the template refuses the conversation.
        """
        contents = [self._harmless(message.content) for message in messages]
        cut = _absent_from(message.content for message in messages)
        shown = [
            replace(message, content=cut.join(pieces))
            for message, pieces in zip(messages, contents, strict=True)
        ]
        return self._ids_of(self.render(shown).split(cut))

    def continued(self, messages: Sequence[Message], begun: str) -> list[int]:
        """Token ids of a conversation in which the assistant has begun its answer.

        Raises:
            ChatFormatError: If the template refuses the conversation.
        """
        return [*self.encode(messages), *self.encode_text(begun)]

    def encode_text(self, text: str) -> list[int]:
        """Token ids of plain text, nothing added; what spells a control token is text, too."""
        return self._ids_of(self._harmless(text))

    def _ids_of(self, pieces: Sequence[str]) -> list[int]:
        encodings = (self.tokenizer.encode(piece, add_special_tokens=False) for piece in pieces)
        return [id_ for encoding in encodings for id_ in encoding.ids]

    def _harmless(self, text: str) -> list[str]:
        """Cut a text so that no piece holds a control token, and the pieces joined are the text."""
        encoding = self.tokenizer.encode(text, add_special_tokens=False)
        cuts = [
            start + 1
            for id_, (start, end) in zip(encoding.ids, encoding.offsets, strict=True)
            if id_ in self.control_ids and end - start > 1
        ]
        if not cuts:
            return [text]
        pieces = [text[i:j] for i, j in itertools.pairwise([0, *cuts, len(text)])]
        return [part for piece in pieces for part in self._harmless(piece)]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of the ids, special tokens left out."""
        text: str = self.tokenizer.decode(list(ids), skip_special_tokens=True)
        return text


class TextStream:
    """Text of a growing list of tokens; the pieces joined equal the text of the whole.

    A token that ends in the middle of a character is held back.
    """

    def __init__(self, decode: Callable[[Sequence[int]], str]) -> None:
        self._decode = decode
        self._ids: list[int] = []
        self._sent_to = 0
        self._context_from = 0

    def push(self, token_id: int) -> str:
        """The new text that `token_id` completes, possibly none."""
        self._ids.append(token_id)
        return self._take(final=False)

    def flush(self) -> str:
        """The text that was held back, at the end."""
        return self._take(final=True)

    def _take(self, *, final: bool) -> str:
        known = self._decode(self._ids[self._context_from : self._sent_to])
        text = self._decode(self._ids[self._context_from :])
        held = len(self._ids) - self._sent_to
        if text.endswith(_REPLACEMENT) and not final and held < _MAX_HELD_TOKENS:
            return ""
        self._context_from, self._sent_to = self._sent_to, len(self._ids)
        return text[len(known) :]


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    value = json.loads(path.read_text(encoding="utf-8"))
    return value if isinstance(value, dict) else {}


def _template_source(hf_folder: Path, config: dict[str, Any]) -> str:
    path = hf_folder / "chat_template.jinja"
    source = path.read_text(encoding="utf-8") if path.is_file() else config.get("chat_template")
    if isinstance(source, list):  # several named templates
        named = {item.get("name"): item.get("template") for item in source}
        source = named.get("default")
    if not isinstance(source, str) or not source:
        raise ChatFormatError(
            f"{hf_folder} has no chat template: choose an instruction-tuned model."
        )
    return source


def _special_tokens(config: dict[str, Any]) -> dict[str, str]:
    special = {}
    for name in ("bos_token", "eos_token", "unk_token", "pad_token"):
        value = config.get(name)
        text = value.get("content") if isinstance(value, dict) else value
        if isinstance(text, str):
            special[name] = text
    return special


def _stop_ids(hf_folder: Path, tokenizer: Tokenizer, special: dict[str, str]) -> tuple[int, ...]:
    """Every id that ends a turn: what the configuration says and the usual marks."""
    found: set[int] = set()
    for name in ("generation_config.json", "config.json"):
        eos = _read_json(hf_folder / name).get("eos_token_id")
        found.update(i for i in (eos if isinstance(eos, list) else [eos]) if isinstance(i, int))
    marks = {*_END_OF_TURN, special.get("eos_token", "")}
    special_tokens = tokenizer.get_added_tokens_decoder()  # "</s>" may be an ordinary word, too
    found.update(i for i, token in special_tokens.items() if token.content in marks)
    return tuple(sorted(found))


def _control_ids(tokenizer: Tokenizer) -> frozenset[int]:
    """Every added token but runs of white space, which some tokenizers add for indentation."""
    added = tokenizer.get_added_tokens_decoder().items()
    return frozenset(id_ for id_, token in added if token.content.strip())


def _absent_from(texts: Iterable[str]) -> str:
    """A mark that occurs in none of the texts, nor across the border between one and the mark."""
    runs = (len(run) for text in texts for run in re.findall(f"{_PRIVATE}+", text))
    return _PRIVATE * (1 + max(runs, default=0))


def _digest_tokenizer(text: str) -> str:
    """Digest of what the tokenizer does, not of how one library version laid out its file."""
    content = json.loads(text)
    for name in ("version", "truncation", "padding"):
        content.pop(name, None)
    model = content.get("model", {})
    merges = model.get("merges")
    if merges:
        model["merges"] = [m if isinstance(m, str) else " ".join(m) for m in merges]
    canonical = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _compile(source: str) -> Template:
    """Compile an untrusted template the way transformers does, in jinja's sandbox."""
    from jinja2 import TemplateError, ext
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def raise_exception(message: str) -> None:
        raise TemplateError(message)

    def to_json(value: object, *, indent: int | None = None) -> str:
        return json.dumps(value, ensure_ascii=False, indent=indent)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[ext.loopcontrols]
    )
    environment.filters["tojson"] = to_json
    environment.globals["raise_exception"] = raise_exception
    try:
        return environment.from_string(source)
    except TemplateError as err:
        raise ChatFormatError(f"The model's chat template cannot be read: {err}") from err
