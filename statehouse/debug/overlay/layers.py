"""Where an overlay keeps what is written to it: in this process, or beside the state in the same store.

What is below is the state as of one commit_ts, and never changes. The records of runs are not state: of them
an overlay shows the newest, always, or else a run that is looked into would have no records yet.
"""

from __future__ import annotations

from typing import Final, Protocol

from statehouse.engine import open_engine
from statehouse.extend import Engine, RecordKey
from statehouse.steps import keys
from statehouse.storage.memory import MemoryStore

FORKS: Final = ".forks"


def name_in_fork(run_id: str, key: RecordKey) -> RecordKey:
    """Gives where a fork keeps a key; the records of runs are where those of every run are."""
    if keys.is_of_runs(key.namespace):
        return key
    return RecordKey(key.namespace + FORKS, f"{run_id}/{key.agent_id}", key.key)


class Layer(Protocol):
    """The upper one of the two layers."""

    @property
    def engine(self) -> Engine:
        """Where it is."""
        ...

    @property
    def shift(self) -> int:
        """What a commit_ts of that engine is less than one of the overlay."""
        ...

    @property
    def is_shared(self) -> bool:
        """Whether it is in the store below, with the same commits and the same identity."""
        ...

    def has(self, namespace: str) -> bool:
        """Whether a namespace is layered; another one is that of the store below."""
        ...

    def inward(self, key: RecordKey) -> RecordKey:
        """How a key is called in the layer."""
        ...

    def outward(self, key: RecordKey) -> RecordKey:
        """How a key of the layer is called outside."""
        ...

    def close(self) -> None:
        """Ends it."""
        ...


class MemoryLayer:
    """What is gone when the session ends: verifying and debugging.

    Args:
        at: The commit_ts that is below.
    """

    is_shared: Final = False

    def __init__(self, at: int) -> None:
        self.engine: Engine = open_engine(MemoryStore(), durability="none")
        self.shift = at

    def has(self, namespace: str) -> bool:
        """Everything is layered: nothing of it reaches a store."""
        return True

    def inward(self, key: RecordKey) -> RecordKey:
        """The same name."""
        return key

    def outward(self, key: RecordKey) -> RecordKey:
        """The same name."""
        return key

    def close(self) -> None:
        """Lets it go."""
        self.engine.close()


class ForkLayer:
    """What stays: the state of a fork, in a namespace of its own in the same store.

    The state of the agent ``a`` in the namespace ``n`` is that of the agent ``<run_id>/a`` in ``n.forks``.
    The records of the run are where those of every run are.

    Args:
        engine: The store.
        run_id: The fork.
    """

    shift: Final = 0
    is_shared: Final = True

    def __init__(self, engine: Engine, run_id: str) -> None:
        self.engine = engine
        self._run_id = run_id

    def has(self, namespace: str) -> bool:
        """Whether it is state, and no record of runs."""
        return not keys.is_of_runs(namespace)

    def inward(self, key: RecordKey) -> RecordKey:
        """How a key is called in the store."""
        return name_in_fork(self._run_id, key)

    def outward(self, key: RecordKey) -> RecordKey:
        """How a key of the store is called outside."""
        if not key.agent_id.startswith(self._run_id + "/") or not key.namespace.endswith(FORKS):
            return key
        agent_id = key.agent_id.removeprefix(self._run_id + "/")
        return RecordKey(key.namespace.removesuffix(FORKS), agent_id, key.key)

    def close(self) -> None:
        """Nothing to do: the store is somebody else's."""
