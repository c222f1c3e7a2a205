"""An extension of griffe: reads our docstrings as the site wants them.

Ours are Google style, in the plain text that ``help()`` shows well. Two habits of theirs mean something else
to griffe: ``Example:`` is a box of prose to it, and a colon twice before indented code is two colons.
"""

from __future__ import annotations

import re
from typing import Any

import griffe

_EXAMPLE = re.compile(r"^( *)Example:$", re.MULTILINE)
_LITERAL = re.compile(r"::$", re.MULTILINE)


class Docstrings(griffe.Extension):
    """Writes every docstring a little differently before it is parsed."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Mends the docstring of what was just loaded."""
        if obj.docstring is not None:
            text = _EXAMPLE.sub(r"\1Examples:", obj.docstring.value)
            obj.docstring.value = _LITERAL.sub(":", text)
