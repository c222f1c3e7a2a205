"""The values that benchmarks store: random text, the same in every run, of an exact size.

Random text is the honest content: it has none of the repetitions that compression feeds on, and letters
and digits still leave a fifth of each byte empty, as text does.
"""

from __future__ import annotations

import json
import random
import string
from typing import Any

_ALPHABET = string.ascii_letters + string.digits
_SOURCE_CHARS = 1 << 20


class Values:
    """Makes values. Two with the same seed make the same ones.

    Args:
        seed: Any number.
    """

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self._source = ""

    def text(self, size: int) -> str:
        """So many random letters and digits."""
        return "".join(self.random.choices(_ALPHABET, k=size))

    def excerpt(self, size: int) -> str:
        """As `text`, cut out of a random megabyte: quick enough for a million of them."""
        if not self._source:
            self._source = self.text(_SOURCE_CHARS)
        start = self.random.randrange(_SOURCE_CHARS - size)
        return self._source[start : start + size]

    def document(self, size: int) -> dict[str, Any]:
        """What agents write: a small JSON object, of exactly so many bytes."""
        document = {"step": self.random.randrange(1000, 10_000), "tool": "search", "ok": True, "text": ""}
        document["text"] = self.text(size - encoded_size(document))
        return document

    def txn_id(self) -> str:
        """32 random hexadecimal digits, as clients make them."""
        return f"{self.random.getrandbits(128):032x}"


def encoded_size(value: Any) -> int:
    """The size of a value in JSON without spaces, which is how it is stored."""
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())
