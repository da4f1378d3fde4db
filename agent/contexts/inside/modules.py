"""Runs inside the box: says under which names installed packages are imported.

Reads orders as JSON from standard input: `nonce` and `names`, of packages or modules. Writes one line:
the nonce and an object from each installed name to its public top-level modules.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import re
import sys


def main() -> None:
    """Answer for every name; one that is not installed is left out."""
    orders = json.load(sys.stdin)
    owners = importlib.metadata.packages_distributions()
    found = {}
    for name in map(str, orders["names"]):
        own = [module for module, of in owners.items() if _plain(name) in map(_plain, of)]
        public = sorted(module for module in own if not module.startswith("_"))
        if not public and name.isidentifier() and importlib.util.find_spec(name) is not None:
            public = [name]
        if public:
            found[name] = public
    sys.stdout.write(f"{orders['nonce']} {json.dumps(found)}\n")


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    main()
