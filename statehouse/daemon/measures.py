"""What a daemon tells whoever monitors it.

The first four families are those that the specification names. Labels are kinds, never names of namespaces,
agents, keys or runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from statehouse._version import __version__
from statehouse.otel.families import Family, Point
from statehouse.protocol.replies import StoreStatus
from statehouse.rpc.serving.meter import BOUNDS_S, Load, Meter

__all__ = ["families"]


def families(meter: Meter, status: StoreStatus, load: Load, bytes_written: int) -> Sequence[Family]:
    """Gives everything that there is to tell.

    Args:
        meter: What the server has counted.
        status: How the store is.
        load: What the server has in hand.
        bytes_written: What was written to the store since the daemon started.
    """
    durations = [
        Point(each.seconds, {"rpc": rpc}, each.counts, each.low, each.high)
        for rpc, each in sorted(meter.durations.items())
    ]
    return [
        _counts("transactions", "Transactions that ended, by how.", "status", meter.transactions),
        _counts("operations", "Writes and deletes that were committed, and reads.", "type", meter.operations),
        Family(
            "statehouse_rpc_duration_seconds",
            "How long requests took in the daemon, of single calls and of pipelines.",
            "histogram",
            durations,
            "s",
            BOUNDS_S,
        ),
        Family(
            "statehouse_storage_bytes_written",
            "Bytes of keys and values written to the store.",
            "counter",
            [Point(bytes_written)],
            "By",
        ),
        Family(
            "statehouse_commits_without_trace",
            "Commits whose origin names no trace.",
            "counter",
            [Point(meter.without_trace)],
        ),
        *[_gauge(name, help_, of(status, load), unit) for name, help_, unit, of in _GAUGES],
        Family(
            "statehouse_build_info",
            "The version that runs.",
            "gauge",
            [Point(1, {"version": __version__, "storage": status.storage, "durability": status.durability})],
        ),
    ]


_GAUGES: Final[Sequence[tuple[str, str, str, Callable[[StoreStatus, Load], float]]]] = (
    ("open_transactions", "Open transactions of BeginTransaction.", "1", lambda _, load: load.transactions),
    ("commit_queue", "Commits that wait to be written.", "1", lambda status, _: status.queued_commits),
    ("followers", "Replays that wait for new commits.", "1", lambda status, _: status.followers),
    ("requests", "Requests that are being answered.", "1", lambda _, load: load.requests),
    ("request_bytes", "How many bytes those are.", "By", lambda _, load: load.request_bytes),
    ("replays", "Open streams of events.", "1", lambda _, load: load.replays),
    ("pipelines", "Open pipelines, one for each client.", "1", lambda _, load: load.pipelines),
    ("storage_bytes", "Bytes that the store takes.", "By", lambda status, _: status.size_bytes),
    ("commit_ts", "The newest commit.", "1", lambda status, _: status.commit_ts),
    ("horizon", "The oldest commit_ts that can be read as of.", "1", lambda status, _: status.horizon),
    ("writable", "1 while commits are taken.", "1", lambda status, _: float(status.state == "ok")),
)


def _counts(name: str, help_: str, label: str, counts: dict[str, int]) -> Family:
    points = [Point(count, {label: kind}) for kind, count in sorted(counts.items())]
    return Family(f"statehouse_{name}", help_, "counter", points)


def _gauge(name: str, help_: str, value: float, unit: str) -> Family:
    return Family(f"statehouse_{name}", help_, "gauge", [Point(value)], unit)
