"""Where the records of runs live.

A run is an agent of its own in the namespace ``<namespace>.runs``, so that replaying that agent is replaying
the run, and so that its values may share bytes (`Extend` wants one agent)::

    <namespace>.runs        agent <run_id>   run                      who, when, how it ended
                                             step/<path>              a finished step
                                             intent/<path>            an at_most_once step that began
                                             value/<hash>             JSON above 8 KiB, once a run
                                             signal/<name>/<number>   what somebody signalled, in order
    <namespace>.runs.index  agent all        <started>/<run_id>       every run, in the order that they began
                            agent agent:<id> <started>/<run_id>       those of one agent

A scan of an index in reverse gives the newest runs first.
"""

from __future__ import annotations

from typing import Final

from statehouse.extend import RecordKey

RUN: Final = "run"
STEP: Final = "step/"
INTENT: Final = "intent/"
VALUE: Final = "value/"
SIGNAL: Final = "signal/"
ALL_RUNS: Final = "all"

_MICROSECOND_DIGITS: Final = 20
_SIGNAL_DIGITS: Final = 8


def runs_namespace(namespace: str) -> str:
    """Gives the namespace that the runs of a namespace are recorded in."""
    return f"{namespace}.runs"


def index_namespace(namespace: str) -> str:
    """Gives the namespace of the index of the runs of a namespace."""
    return f"{namespace}.runs.index"


def is_of_runs(namespace: str) -> bool:
    """Whether a namespace holds records of runs, or their index, and no state."""
    return namespace.endswith((runs_namespace(""), index_namespace("")))


def run_key(namespace: str, run_id: str) -> RecordKey:
    """Names a run's own record."""
    return RecordKey(runs_namespace(namespace), run_id, RUN)


def index_agent(agent_id: str | None) -> str:
    """Names the agent whose keys list the runs of an agent; None for all runs."""
    return ALL_RUNS if agent_id is None else f"agent:{agent_id}"


def index_keys(namespace: str, run_id: str, agent_id: str, started_us: int) -> tuple[RecordKey, RecordKey]:
    """Names the entries of a run in both indexes."""
    key = f"{started_us:0{_MICROSECOND_DIGITS}d}/{run_id}"
    index = index_namespace(namespace)
    return RecordKey(index, ALL_RUNS, key), RecordKey(index, index_agent(agent_id), key)


def indexed_run_id(key: str) -> str:
    """Gives the run that an entry of an index is of."""
    return key[_MICROSECOND_DIGITS + 1 :]


def signal_key(name: str, number: int) -> str:
    """Names the `number`-th signal of a name; the names sort as they were sent."""
    return f"{signal_prefix(name)}{number:0{_SIGNAL_DIGITS}d}"


def signal_prefix(name: str) -> str:
    """What the keys of a name's signals begin with."""
    return f"{SIGNAL}{name.replace('~', '~0').replace('/', '~1')}/"
