"""What a step is called within its run: parent path, name, and which call of that name it is.

``plan#1/search#3`` is the third call of ``search`` within the first call of ``plan``. A step with a ``key=``
is called by it instead: ``search:tea``. Never clocks, never random numbers, never ids of a framework: the
same program gives the same names when it runs again, which is what makes it resumable.

* I1. A name is given out when the step is called, before anything is awaited, by the caller's thread. So
  ``asyncio.gather(search("a"), search("b"))`` names them alike whichever is faster; for a thread pool `bind`
  gives the name out before the work is handed over.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from statehouse.errors import InvalidArgumentError, LimitExceededError
from statehouse.extend import DEFAULT_LIMITS
from statehouse.steps import keys

_PATH_BYTES_MAX: Final = DEFAULT_LIMITS.key_bytes_max - len(keys.INTENT)
_IN_A_NAME: Final = str.maketrans({"~": "~0", "/": "~1", "#": "~2", ":": "~3"})
_IN_A_KEY: Final = str.maketrans({"~": "~0", "/": "~1"})


def escaped(name: str) -> str:
    """Gives a name as it is written in a path."""
    return name.translate(_IN_A_NAME)


@dataclass(frozen=True, slots=True)
class Identity:
    """Which step of a run it is.

    Attributes:
        path: The whole of it; unique in the run.
        name: What the step is called.
        ordinal: Which call of that name under that parent, from 1; 0 for a step with a key.
        key: The key, or None.
    """

    path: str
    name: str
    ordinal: int
    key: str | None = None


class Names:
    """Gives out the names of the steps under one parent; safe from any thread."""

    __slots__ = ("_counts", "_keys", "_lock", "_parent")

    def __init__(self, parent: str) -> None:
        self._parent = f"{parent}/" if parent else ""
        self._lock = threading.Lock()
        self._counts: dict[str, int] = {}
        self._keys: set[str] = set()

    def give(self, name: str, key: str | None = None, *, inner: bool = False) -> Identity:
        """Gives the next name (I1).

        Args:
            name: What the step is called.
            key: Its key, instead of an ordinal.
            inner: One of ours (``~now``), which no step of a program can be called.

        Raises:
            InvalidArgumentError: The key is taken.
            LimitExceededError: Steps are nested too deeply for the path to be a key of the store.
        """
        written = name if inner else escaped(name)
        ordinal = 0
        with self._lock:
            if key is None:
                ordinal = self._counts.get(written, 0) + 1
                self._counts[written] = ordinal
                last = f"{written}#{ordinal}"
            else:
                last = f"{written}:{key.translate(_IN_A_KEY)}"
                if last in self._keys:
                    raise InvalidArgumentError(
                        f"the step {self._parent}{last} was called already: a key names one call of a step"
                    )
                self._keys.add(last)
        path = self._parent + last
        if len(path) * 4 > _PATH_BYTES_MAX and (size := len(path.encode())) > _PATH_BYTES_MAX:
            raise LimitExceededError(
                f"the path of a step is {size} bytes long; the limit is {_PATH_BYTES_MAX}: nest less deeply, "
                f"or use shorter names: {path:.80}",
                limit=_PATH_BYTES_MAX,
                actual=size,
            )
        return Identity(path, name, ordinal, key)


def idempotency_key(namespace: str, run_id: str, path: str, input_hash: str) -> str:
    """Gives what to hand to the world outside: the same for every attempt at a step with the same input."""
    return sha256(f"{namespace}\0{run_id}\0{path}\0{input_hash}".encode()).hexdigest()[:32]
