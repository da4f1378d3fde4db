"""Path patterns such as /users/{id}."""

import re

_PART = re.compile(r"\{(\w+)\}")


def compile_pattern(pattern):
    """A regular expression in which every {name} is a group."""
    return re.compile(_PART.sub(r"(?P<\1>[^/]+)", pattern) + "$")


def names(pattern):
    """The names in a pattern, in order."""
    return _PART.findall(pattern)


def fill(pattern, values):
    """The path that a pattern gives with values in the place of its names."""
    return _PART.sub(lambda match: str(values[match[1]]), pattern)
