"""The contract of the SDK: what a `Statehouse` is, whatever colour and engine is behind it.

A subclass of each class below brings the fixtures ``sh`` (a handle on an empty store, whose connection
takes its time from ``clock``) and ``clock`` (a `ManualClock`). For `StatehouseAsync` make ``sh`` with
`statehouse.testing.blocking.blocking`.
"""

from __future__ import annotations

from statehouse.testing.contracts.sdk_erasing import SdkErasingContract
from statehouse.testing.contracts.sdk_growing import SdkGrowingContract
from statehouse.testing.contracts.sdk_hostile import SdkHostileContract
from statehouse.testing.contracts.sdk_reads import (
    SdkRecordContract,
    SdkReplayContract,
    SdkScanContract,
    SdkStoreContract,
)
from statehouse.testing.contracts.sdk_transactions import (
    SdkIsolationContract,
    SdkTransactContract,
    SdkTransactionContract,
)

SDK_CONTRACTS = (
    SdkRecordContract,
    SdkScanContract,
    SdkReplayContract,
    SdkStoreContract,
    SdkTransactionContract,
    SdkIsolationContract,
    SdkTransactContract,
    SdkGrowingContract,
    SdkErasingContract,
    SdkHostileContract,
)

__all__ = [
    "SDK_CONTRACTS",
    "SdkErasingContract",
    "SdkGrowingContract",
    "SdkHostileContract",
    "SdkIsolationContract",
    "SdkRecordContract",
    "SdkReplayContract",
    "SdkScanContract",
    "SdkStoreContract",
    "SdkTransactContract",
    "SdkTransactionContract",
]
