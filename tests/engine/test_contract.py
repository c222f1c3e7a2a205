"""The contract of the engine (`statehouse.testing.contracts.engine`) over {reference, memory, RocksDB}."""

from __future__ import annotations

from statehouse.testing.contracts.engine import (
    ENGINE_CONTRACTS,
    AsOfContract,
    CloseContract,
    CommitsContract,
    CommitTimeContract,
    CursorsContract,
    EmptyTransactionsContract,
    EraseContract,
    ExtendContract,
    FindEventsContract,
    FollowContract,
    GetAtVersionContract,
    GetContract,
    GetManyContract,
    HistoryContract,
    KeyConflictsContract,
    ListAgentsContract,
    ListNamespacesContract,
    LocateTimeContract,
    LookupTxnContract,
    MembershipConflictsContract,
    NameLimitsContract,
    PageLimitsContract,
    PersistenceContract,
    PreconditionsContract,
    RangeConflictsContract,
    ReadSetContract,
    RefusalsContract,
    RepeatedCommitsContract,
    ReplayContract,
    ReplayPositionContract,
    ScanContract,
    ScanPagesContract,
    SizeLimitsContract,
    StatusContract,
)


class TestCommits(CommitsContract):
    pass


class TestEmptyTransactions(EmptyTransactionsContract):
    pass


class TestPreconditions(PreconditionsContract):
    pass


class TestCommitTime(CommitTimeContract):
    pass


class TestExtend(ExtendContract):
    pass


class TestErase(EraseContract):
    pass


class TestRepeatedCommits(RepeatedCommitsContract):
    pass


class TestLookupTxn(LookupTxnContract):
    pass


class TestKeyConflicts(KeyConflictsContract):
    pass


class TestRangeConflicts(RangeConflictsContract):
    pass


class TestMembershipConflicts(MembershipConflictsContract):
    pass


class TestReadSet(ReadSetContract):
    pass


class TestGet(GetContract):
    pass


class TestAsOf(AsOfContract):
    pass


class TestGetAtVersion(GetAtVersionContract):
    pass


class TestGetMany(GetManyContract):
    pass


class TestHistory(HistoryContract):
    pass


class TestScan(ScanContract):
    pass


class TestScanPages(ScanPagesContract):
    pass


class TestCursors(CursorsContract):
    pass


class TestReplay(ReplayContract):
    pass


class TestReplayPosition(ReplayPositionContract):
    pass


class TestFollow(FollowContract):
    pass


class TestFindEvents(FindEventsContract):
    pass


class TestLocateTime(LocateTimeContract):
    pass


class TestListAgents(ListAgentsContract):
    pass


class TestListNamespaces(ListNamespacesContract):
    pass


class TestStatus(StatusContract):
    pass


class TestClose(CloseContract):
    pass


class TestNameLimits(NameLimitsContract):
    pass


class TestSizeLimits(SizeLimitsContract):
    pass


class TestPageLimits(PageLimitsContract):
    pass


class TestRefusals(RefusalsContract):
    pass


class TestPersistence(PersistenceContract):
    pass


def test_every_part_of_the_contract_is_run_here() -> None:
    run = {
        base
        for found in globals().values()
        if isinstance(found, type)
        for base in found.__bases__
        if found not in ENGINE_CONTRACTS
    }
    assert run >= set(ENGINE_CONTRACTS)
