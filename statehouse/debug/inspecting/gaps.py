"""What cannot be answered any more, said beside what can: one value that is gone must not cost the whole
answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeVar

from statehouse.debug.exports.coverage import NotExportedError
from statehouse.errors import CompactedError, ErasedError, NotFoundError
from statehouse.extend import Flow

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that is gone.

    Attributes:
        what: What was asked for, in words.
        why: ``compacted``: history does not reach back that far; ``erased``: it was erased for good;
            ``missing``: it is not there, though something refers to it; ``not_exported``: it is not in the
            file of an exported run.
        oldest: The oldest commit_ts that can be read; None unless it was compacted.
    """

    what: str
    why: Literal["compacted", "erased", "missing", "not_exported"]
    oldest: int | None = None

    def __str__(self) -> str:
        match self.why:
            case "compacted":
                return f"{self.what} was compacted: the oldest commit_ts that can be read is {self.oldest}"
            case "erased":
                return f"{self.what} was erased"
            case "not_exported":
                return f"{self.what} is not in this export"
            case _:
                return f"{self.what} is missing"


class Gaps:
    """Collects the gaps of one answer."""

    def __init__(self) -> None:
        self._found: dict[Gap, None] = {}

    def around(self, what: str, flow: Flow[T]) -> Flow[T | None]:
        """Gives what a flow gives; None where that is gone, which is noted."""
        try:
            return (yield from flow)
        except NotExportedError:
            self.note(Gap(what, "not_exported"))
        except CompactedError as error:
            self.note(Gap(what, "compacted", error.details.get("oldest")))
        except ErasedError:
            self.note(Gap(what, "erased"))
        except NotFoundError:
            self.note(Gap(what, "missing"))
        return None

    def note(self, gap: Gap) -> None:
        """Takes in a gap."""
        self._found[gap] = None

    @property
    def found(self) -> tuple[Gap, ...]:
        """What is gone, each once."""
        return tuple(self._found)
