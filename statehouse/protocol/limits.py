"""How large things may be.

The defaults are part of the contract: clients of a daemon and embedded users meet the same ones.
Each is tested at limit - 1, limit and limit + 1.
"""

from __future__ import annotations

from dataclasses import dataclass

from statehouse.errors import InvalidArgumentError

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits an engine holds its callers to. Sizes are bytes of UTF-8 or of payload data."""

    namespace_bytes_max: int = 128
    agent_id_bytes_max: int = 256
    key_bytes_max: int = 1024
    txn_id_bytes_max: int = 128
    value_bytes_max: int = 16 * MIB
    content_type_bytes_max: int = 128
    json_depth_max: int = 32
    origin_bytes_max: int = 8 * KIB
    transaction_operations_max: int = 10_000
    transaction_bytes_max: int = 32 * MIB
    transaction_reads_max: int = 100_000
    page_rows_max: int = 10_000
    page_bytes_max: int = 1 * MIB
    get_many_keys_max: int = 10_000
    commit_queue_count_max: int = 10_000
    commit_queue_bytes_max: int = 128 * MIB
    commit_group_count_max: int = 512
    commit_group_bytes_max: int = 4 * MIB
    timeout_s_min: float = 0.001
    timeout_s_max: float = 3600.0


DEFAULT_LIMITS = Limits()
COMMIT_TS_MAX = 2**53 - 1
"""Every integer of the contract fits a JavaScript number exactly."""


def check_integer(what: str, number: object, low: int, high: int = COMMIT_TS_MAX) -> None:
    """Raises InvalidArgumentError unless this is an integer from `low` to `high`, both inclusive."""
    if type(number) is int and low <= number <= high:
        return
    raise InvalidArgumentError(f"{what} must be an integer from {low} to {high}: {number!r:.80}")


def check_seconds(what: str, seconds: object, low: float, high: float) -> None:
    """Raises InvalidArgumentError unless this is a number of seconds from `low` to `high`, both inclusive."""
    if isinstance(seconds, int | float) and not isinstance(seconds, bool) and low <= seconds <= high:
        return
    raise InvalidArgumentError(f"{what} must be {low:g} to {high:g} seconds: {seconds!r:.80}")
