"""A hook of mkdocs: writes the tests of a promise, from ``tests/claims.toml``, where a page asks for them.

A page asks with a comment, ``<!-- tests of G1 -->``.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

CLAIMS = Path(__file__).resolve().parent.parent / "tests" / "claims.toml"
ASKED = re.compile(r"^<!-- tests of (.+) -->$", re.MULTILINE)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Gives a page with the tests that it asks for.

    Raises:
        KeyError: It asks for those of something that nobody promised.
    """
    if not ASKED.search(markdown):
        return markdown
    claims = tomllib.loads(CLAIMS.read_text(encoding="utf-8"))
    tests = {name: claim["tests"] for group in claims.values() for name, claim in group.items()}
    return ASKED.sub(lambda found: _listed(tests[found[1]]), markdown)


def _listed(tests: list[str]) -> str:
    lines = [f"    * `{test}`" for test in tests]
    return "\n".join(['??? note "The tests that prove it"', "", *lines])
