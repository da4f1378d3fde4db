"""Keeps the way in which a file imports what has moved: by its name, where it did so before."""

from __future__ import annotations

import re

from agent.editing.python_source import imports, parse_python


def imported_by_name(after: str, before: str, module: str, name: str) -> str:
    """A file that imported `name` by itself, and does so from its new module, where rope made `module.name` of it.

    The file as it is where it uses the module for something else, too, or did not import the name so.
    """
    had = {(item.name, item.alias) for item in imports(before)}
    line = re.compile(rf"^import {re.escape(module)}$", re.MULTILINE)
    uses = re.compile(rf"(?<![\w.]){re.escape(module)}\.{re.escape(name)}\b")
    if (name, name) not in had or not line.search(after) or line.search(before):
        return after
    text = uses.sub(name, line.sub(f"from {module} import {name}", after, count=1))
    others = re.search(rf"(?<![\w.]){re.escape(module)}\.\w", line.sub("", text))
    return after if others or parse_python(text) is None else text
