"""The contract of the SDK over {reference, memory, RocksDB, daemon pipelined and unary} x {sync, async}."""

from __future__ import annotations

from statehouse.testing.contracts import sdk

for part in sdk.SDK_CONTRACTS:
    # A class that pytest collects, for each.
    globals()[f"Test{part.__name__.removesuffix('Contract')}"] = type(part.__name__, (part,), {})


def test_every_contract_is_run_here() -> None:
    run = {base for each in list(globals().values()) if isinstance(each, type) for base in each.__bases__}
    assert run.issuperset(getattr(sdk, name) for name in sdk.__all__ if name.endswith("Contract"))
