"""The contract of the SDK over {reference, memory, RocksDB, daemon pipelined and unary} x {sync, async}."""

from __future__ import annotations

from statehouse.testing.contracts import sdk


class TestSdkRecord(sdk.SdkRecordContract):
    pass


class TestSdkScan(sdk.SdkScanContract):
    pass


class TestSdkReplay(sdk.SdkReplayContract):
    pass


class TestSdkStore(sdk.SdkStoreContract):
    pass


class TestSdkTransaction(sdk.SdkTransactionContract):
    pass


class TestSdkIsolation(sdk.SdkIsolationContract):
    pass


class TestSdkTransact(sdk.SdkTransactContract):
    pass


class TestSdkErasing(sdk.SdkErasingContract):
    pass


class TestSdkGrowing(sdk.SdkGrowingContract):
    pass


class TestSdkHostile(sdk.SdkHostileContract):
    pass


def test_every_contract_is_run_here() -> None:
    run = {base for each in list(globals().values()) if isinstance(each, type) for base in each.__bases__}
    assert run.issuperset(sdk.SDK_CONTRACTS)
