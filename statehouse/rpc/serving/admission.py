"""How much the daemon takes on at once, over all clients and kinds of calls."""

from __future__ import annotations

from typing import Final

from statehouse.errors import OverloadedError

RETRY_AFTER_S: Final = 0.1


class Admission:
    """Counts the requests that were taken and are not answered yet, and their bytes.

    What is too much is refused at once: a client that is told so can wait and try again, and one that is kept
    waiting costs memory and learns nothing. Requests that are answered as they are read need not be counted.

    Everything happens in the event loop of the server, so nothing is locked.

    Args:
        requests_max: The most requests at once.
        bytes_max: The most bytes of requests at once. A request larger than that is taken when it is alone.

    Attributes:
        requests: How many there are now.
        size_bytes: How many bytes they are.
    """

    __slots__ = ("_bytes_max", "_requests_max", "requests", "size_bytes")

    def __init__(self, *, requests_max: int, bytes_max: int) -> None:
        self._requests_max = requests_max
        self._bytes_max = bytes_max
        self.requests = 0
        self.size_bytes = 0

    def enter(self, size_bytes: int) -> None:
        """Takes a request; every one that was taken must `leave`.

        Raises:
            OverloadedError: There are too many already; this one was not counted.
        """
        requests, held = self.requests, self.size_bytes
        if requests and (requests >= self._requests_max or held + size_bytes > self._bytes_max):
            raise OverloadedError(
                f"the daemon is answering {requests} requests ({held} bytes) already; nothing was applied: "
                f"try again after {RETRY_AFTER_S:g} s",
                retry_after=RETRY_AFTER_S,
                reason="too_many_requests",
            )
        self.requests = requests + 1
        self.size_bytes = held + size_bytes

    def leave(self, size_bytes: int) -> None:
        """Says that a request of this size was answered, or given up."""
        self.requests -= 1
        self.size_bytes -= size_bytes
