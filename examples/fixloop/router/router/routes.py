"""Finds who answers a path."""

from router.pattern import compile_pattern, fill


class Router:
    def __init__(self, prefix=""):
        self._prefix = prefix
        self._routes = []

    def add(self, name, pattern, handler):
        """Answer paths of this pattern with a function."""
        full = self._prefix + pattern
        self._routes.append((name, full, compile_pattern(full), handler))

    def find(self, path):
        """The handler and the values for a path; the route added first wins."""
        for _, _, expression, handler in self._routes:
            match = expression.match(path)
            if match:
                return handler, match.groupdict()
        return None, {}

    def url(self, name, **values):
        """The path of a named route."""
        for known, pattern, _, _ in self._routes:
            if known == name:
                return fill(pattern, values)
        raise KeyError(name)
