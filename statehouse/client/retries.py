"""How `transact` tries again: which refusals, how often, after how long."""

from __future__ import annotations

from typing import Final

from statehouse.client.arguments import check_count, check_timeout
from statehouse.client.connection import Connection
from statehouse.client.transactions import TransactionLogic
from statehouse.errors import (
    ConflictError,
    OverloadedError,
    PreconditionFailedError,
    StatehouseError,
)

_DELAY_S_FIRST: Final = 0.002
_DELAY_S_MAX: Final = 0.5


class Attempts:
    """The attempts of one `transact`.

    Args:
        connection: Whose clock and default timeout count.
        attempts_max: How many transactions to try.
        timeout: Seconds for all of them together; None for the handle's.

    Raises:
        InvalidArgumentError: No number of attempts, or of seconds.
    """

    def __init__(self, connection: Connection, attempts_max: int, timeout: float | None) -> None:
        check_count("attempts", attempts_max, 1)
        self._connection = connection
        self._left = attempts_max
        self._tried = 0
        seconds = connection.timeout if timeout is None else check_timeout(timeout, connection.limits)
        self._deadline = connection.monotonic() + seconds

    def time_left(self) -> float:
        """How long the next transaction may take."""
        limits = self._connection.limits
        left = self._deadline - self._connection.monotonic()
        return min(max(left, limits.timeout_s_min), limits.timeout_s_max)

    def delay_after(self, error: StatehouseError, logic: TransactionLogic) -> float:
        """How long to wait before trying again.

        Raises:
            StatehouseError: The error itself: trying again cannot help, or was tried too often or too long.
        """
        self._left -= 1
        delay = self._delay(error)
        if (
            self._left <= 0
            or not _may_help(error, logic)
            or self._connection.monotonic() + delay >= self._deadline
        ):
            raise error
        self._tried += 1
        return delay

    def _delay(self, error: StatehouseError) -> float:
        from random import uniform  # noqa: PLC0415 - slow to load, and only conflicts need it

        delay = uniform(0.0, min(_DELAY_S_MAX, _DELAY_S_FIRST * 2**self._tried))  # noqa: S311 - keeps rivals apart, no secret
        return delay + (error.retry_after if isinstance(error, OverloadedError) else 0.0)


def _may_help(error: StatehouseError, logic: TransactionLogic) -> bool:
    # The refusal of some other transaction, which the function let out, is not ours to repeat.
    if logic.refusal is not error:
        return False
    match error:
        case PreconditionFailedError():
            # A version that the function read may be another next time; one that it was given will not.
            return logic.has_read(error.which.key)
        case ConflictError():
            return True
        case OverloadedError():
            return error.reason != "disk_full"
        case _:
            return False
