"""The time to live of threads, and the thread that sweeps them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from statehouse import InvalidArgumentError, StatehouseError
from statehouse_langgraph.opening import check_mapping
from statehouse_langgraph.saver.threads import Strategy

_log: Final = logging.getLogger(__name__)
_STRATEGIES: Final = ("delete", "keep_latest")
SWEEP_MINUTES: Final = 5.0
SWEPT_AT_ONCE: Final = 1_000


@dataclass(frozen=True, slots=True)
class Ttl:
    """How long threads live.

    Attributes:
        minutes: After the last activity; None for ever.
        strategy: What becomes of a thread whose time is over.
        sweep_minutes: How often the sweeper looks.
    """

    minutes: float | None
    strategy: Strategy
    sweep_minutes: float

    @classmethod
    def of(cls, given: Mapping[str, Any] | None) -> Ttl | None:
        """Reads LangGraph's way to say it.

        Raises:
            InvalidArgumentError: A name that is not known, or a value that makes no sense.
        """
        if given is None:
            return None
        check_mapping("ttl", given, "{'default_ttl': minutes}")
        unknown = set(given) - {"default_ttl", "strategy", "sweep_interval_minutes", "sweep_limit"}
        if unknown:
            raise InvalidArgumentError(
                f"ttl has no {', '.join(sorted(unknown))}: it takes default_ttl, strategy and "
                "sweep_interval_minutes"
            )
        minutes = _minutes("default_ttl", given.get("default_ttl"))
        every = _minutes("sweep_interval_minutes", given.get("sweep_interval_minutes", SWEEP_MINUTES))
        strategy = given.get("strategy", "delete")
        if strategy not in _STRATEGIES:
            raise InvalidArgumentError(f"ttl strategy must be 'delete' or 'keep_latest': {strategy!r:.80}")
        return cls(minutes, cast("Strategy", strategy), SWEEP_MINUTES if every is None else every)


def _minutes(name: str, value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise InvalidArgumentError(f"ttl {name} must be a number of minutes above 0: {value!r:.80}")
    return float(value)


class Sweeper:
    """A thread that sweeps now and then, until it is stopped; never the reason a program does not exit.

    Args:
        sweep: Sweeps once, and gives how many threads it swept.
        every_s: Seconds between two sweeps.
    """

    def __init__(self, sweep: Callable[[], int], every_s: float) -> None:
        self._sweep = sweep
        self._every_s = every_s
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name="statehouse-langgraph-ttl", daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether it still sweeps."""
        return self._thread.is_alive() and not self._stopped.is_set()

    def stop(self, timeout: float | None = None) -> bool:
        """Stops it; gives whether it has ended within the timeout, in seconds."""
        self._stopped.set()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _work(self) -> None:
        while True:
            try:
                swept = self._sweep()
            except StatehouseError as error:
                # A daemon that is gone comes back; a handle that was closed does not.
                _log.warning("threads were not swept: %s", error)
                swept = 0
            if self._stopped.wait(0 if swept >= SWEPT_AT_ONCE else self._every_s):
                return
