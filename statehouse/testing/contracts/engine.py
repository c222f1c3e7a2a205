"""What an engine must do, as tests that any implementer can run: this suite defines the product.

Each class is a part of the contract. To run it, subclass it under a name that pytest collects, and
provide the fixtures it asks for::

    from statehouse.testing.contracts.engine import ENGINE_CONTRACTS, GetContract

    class TestGet(GetContract):
        pass

* ``engine``: a fresh `Engine` with the default limits, on an empty store of its own;
* ``open_engine``: an `OpenEngine`, which opens further ones, with limits and a clock;
* ``reopen``: a `Reopen`; only `PersistenceContract` asks for it.

``pytest.register_assert_rewrite("statehouse.testing.contracts")`` in a conftest makes failures readable.
"""

from statehouse.testing.contracts.engine_commits import (
    CommitsContract,
    CommitTimeContract,
    EmptyTransactionsContract,
    PreconditionsContract,
)
from statehouse.testing.contracts.engine_counts import (
    CloseContract,
    ListAgentsContract,
    ListNamespacesContract,
    StatusContract,
)
from statehouse.testing.contracts.engine_erase import EraseContract
from statehouse.testing.contracts.engine_events import FindEventsContract, LocateTimeContract
from statehouse.testing.contracts.engine_extend import ExtendContract
from statehouse.testing.contracts.engine_identity import LookupTxnContract, RepeatedCommitsContract
from statehouse.testing.contracts.engine_isolation import (
    KeyConflictsContract,
    MembershipConflictsContract,
    RangeConflictsContract,
    ReadSetContract,
)
from statehouse.testing.contracts.engine_limits import (
    NameLimitsContract,
    PageLimitsContract,
    SizeLimitsContract,
)
from statehouse.testing.contracts.engine_persistence import PersistenceContract
from statehouse.testing.contracts.engine_phrases import OpenEngine, Reopen
from statehouse.testing.contracts.engine_reads import (
    AsOfContract,
    GetAtVersionContract,
    GetContract,
    GetManyContract,
    HistoryContract,
)
from statehouse.testing.contracts.engine_refusals import RefusalsContract
from statehouse.testing.contracts.engine_replay import FollowContract, ReplayContract, ReplayPositionContract
from statehouse.testing.contracts.engine_scans import CursorsContract, ScanContract, ScanPagesContract

ENGINE_CONTRACTS: tuple[type, ...] = (
    CommitsContract,
    EmptyTransactionsContract,
    PreconditionsContract,
    CommitTimeContract,
    ExtendContract,
    EraseContract,
    RepeatedCommitsContract,
    LookupTxnContract,
    KeyConflictsContract,
    RangeConflictsContract,
    MembershipConflictsContract,
    ReadSetContract,
    GetContract,
    AsOfContract,
    GetAtVersionContract,
    GetManyContract,
    HistoryContract,
    ScanContract,
    ScanPagesContract,
    CursorsContract,
    ReplayContract,
    ReplayPositionContract,
    FollowContract,
    FindEventsContract,
    LocateTimeContract,
    ListAgentsContract,
    ListNamespacesContract,
    StatusContract,
    CloseContract,
    NameLimitsContract,
    SizeLimitsContract,
    PageLimitsContract,
    RefusalsContract,
    PersistenceContract,
)
"""Every part; a home must pass them all."""

__all__ = [
    "ENGINE_CONTRACTS",
    "AsOfContract",
    "CloseContract",
    "CommitTimeContract",
    "CommitsContract",
    "CursorsContract",
    "EmptyTransactionsContract",
    "EraseContract",
    "ExtendContract",
    "FindEventsContract",
    "FollowContract",
    "GetAtVersionContract",
    "GetContract",
    "GetManyContract",
    "HistoryContract",
    "KeyConflictsContract",
    "ListAgentsContract",
    "ListNamespacesContract",
    "LocateTimeContract",
    "LookupTxnContract",
    "MembershipConflictsContract",
    "NameLimitsContract",
    "OpenEngine",
    "PageLimitsContract",
    "PersistenceContract",
    "PreconditionsContract",
    "RangeConflictsContract",
    "ReadSetContract",
    "RefusalsContract",
    "Reopen",
    "RepeatedCommitsContract",
    "ReplayContract",
    "ReplayPositionContract",
    "ScanContract",
    "ScanPagesContract",
    "SizeLimitsContract",
    "StatusContract",
]
