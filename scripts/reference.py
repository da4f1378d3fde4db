"""Makes the reference pages of the documentation from the code, as a hook of MkDocs.

`python scripts/reference.py` prints them. Commands come from the command line itself, settings from
their schema; the texts are those that `--help` and a reader of the code see.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from agent import events  # noqa: E402
from agent.settings import schema  # noqa: E402
from agent.settings.explain import attribute_docs  # noqa: E402
from learning.contexts.context import ApiContext  # noqa: E402
from learning.evaluation.samples import ResultManifest, Sample  # noqa: E402
from learning.promotion.manifest import AdapterManifest  # noqa: E402
from learning.records import Experience  # noqa: E402
from tui.cli import EXIT_CODES, cli  # noqa: E402

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

_NO_PROJECT = "no"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages, and the README as the first one."""
    from mkdocs.structure.files import File

    for name, text in pages().items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, **_: object) -> str:
    """Name the rows of runs where they are linked: they lie in the repository, and are no pages."""
    return re.sub(r"\[([^\]]+)\]\((?:\.\./)?(runs/[^)\s]*)\)", r"\1 (`docs/\2`)", markdown)


def pages() -> Mapping[str, str]:
    """The generated pages by their place in the documentation."""
    if str(ROOT) not in sys.path:  # MkDocs takes back what a hook adds while it is loaded
        sys.path.insert(0, str(ROOT))
    return {
        "index.md": _index(),
        "reference/commands.md": "\n".join(_commands()),
        "reference/settings.md": "\n".join(_settings()),
        "reference/events.md": "\n".join(_events()),
        "reference/files.md": "\n".join(_files()),
    }


def _index() -> str:
    """The README; links into the documentation lose their folder, others lead nowhere here."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    text = text.replace("](docs/", "](")
    return re.sub(
        r"\[([^\]]+)\]\((?:ARCHITECTURE|CONTRIBUTING|CHANGELOG|SECURITY)\.md\)", r"\1", text
    )


def _commands() -> Iterator[str]:
    yield "# Commands\n"
    context = click.Context(cli, info_name="elagent")
    yield from _command(cli, context, depth=1)
    yield "## Exit codes\n"
    yield f"```\n{EXIT_CODES.replace(chr(8), '').strip()}\n```\n"


def _command(command: click.Command, context: click.Context, *, depth: int) -> Iterator[str]:
    if depth > 1:
        yield f"{'#' * depth} `{context.command_path}`\n"
    formatter = context.make_formatter()
    command.format_usage(context, formatter)
    command.format_help_text(context, formatter)
    command.format_options(context, formatter)
    yield f"```\n{formatter.getvalue().replace(chr(8), '').strip()}\n```\n"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None and not inner.hidden:
                within = click.Context(inner, info_name=name, parent=context)
                yield from _command(inner, within, depth=depth + 1)


def _settings() -> Iterator[str]:
    yield "# Settings\n"
    yield (
        "From the command line, then `ELAGENT_SECTION_NAME`, then `.elagent.toml` or"
        " `[tool.elagent]` of the project, then the user's `config.toml`. `elagent config show"
        " --origin` says where each value comes from. The last column says what a project's own"
        " file may do with a setting: it can never loosen the sandbox.\n"
    )
    for section in dataclasses.fields(schema.Settings):
        kind = type(section.default)
        yield f"## `[{section.name}]`\n"
        yield f"{inspect.getdoc(kind)}\n"
        yield "| setting | default | | a project may |\n|---|---|---|---|"
        notes = attribute_docs(kind)
        for setting in dataclasses.fields(kind):
            rule = schema.rule_of(setting)
            note = notes.get(setting.name, "").replace("|", "\\|")
            may = rule.project.value.replace(schema.ProjectMay.NOTHING.value, _NO_PROJECT)
            bounds = _bounds(rule)
            default = "" if setting.default is None else f"`{setting.default}`"
            yield f"| `{setting.name}` | {default} | {note} {bounds}| {may} |"
        yield ""


def _events() -> Iterator[str]:
    yield "# Events\n"
    yield (
        "What `--json` prints, one object a line, and what a session's file holds: `event` is the name below, the"
        " other keys are its fields. [What --json prints](../json.md) says in which order they come, and what a"
        " program may rely on.\n"
    )
    for kind in typing.get_args(events.Event):
        yield f"## `{events.name_of(kind)}`\n"
        yield from _fields(kind)


_STORED: Mapping[str, tuple[str, type]] = {
    "an adapter's `elagent.json`": (
        "beside `adapter_model.safetensors`, in plain PEFT's layout",
        AdapterManifest,
    ),
    "`manifest.json` of results": ("in each folder of `elagent eval`", ResultManifest),
    "a line of `samples.jsonl`": ("in the same folder, one for each reply", Sample),
    "a verified use of an API": ("a line of `contexts/LIBRARY-VERSION.jsonl`", ApiContext),
    "an experience": (
        "a row of `experiences.sqlite3`, `elagent experiences export` as a line",
        Experience,
    ),
}


def _files() -> Iterator[str]:
    yield "# Files\n"
    yield (
        "Everything below `ELAGENT_HOME` (`~/.local/share/elagent`) is private to its owner. JSON and JSON lines in"
        " UTF-8, one object a line, appended as a whole; SQLite for experiences. A file that is damaged is"
        " refused with its name, and never guessed at. What a person writes: `config.toml`"
        " ([settings](settings.md)), `commands/NAME.md` ([conversation](../conversation.md)), `AGENTS.md`.\n"
    )
    for name, (place, kind) in _STORED.items():
        yield f"## {name[0].upper()}{name[1:]}\n"
        yield f"{place[0].upper()}{place[1:]}.\n"
        yield from _fields(kind)


def _fields(kind: type) -> Iterator[str]:
    yield f"{' '.join((inspect.getdoc(kind) or '').split())}\n"
    notes, types = attribute_docs(kind), kind.__annotations__
    if not (fields := dataclasses.fields(kind)):
        return
    yield "| field | type | |\n|---|---|---|"
    for each in fields:
        note = notes.get(each.name, "").replace("|", "\\|")
        type_ = str(types.get(each.name, "")).replace("|", "\\|")
        yield f"| `{each.name}` | {type_} | {note} |"
    yield ""


def _bounds(rule: schema.SettingRule) -> str:
    if rule.low is None and rule.high is None:
        return ""
    low = "" if rule.low is None else f"{rule.low:g}"
    high = "" if rule.high is None else f"{rule.high:g}"
    return f"({low}…{high}) " if high else f"(at least {low}) "


if __name__ == "__main__":
    for place, page in pages().items():
        sys.stdout.write(f"<!-- {place} -->\n{page}\n")
