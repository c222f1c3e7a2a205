"""The asyncio façade: `StatehouseAsync`, `AgentAsync`, `TransactionAsync`.

`statehouse.client._sync` is generated from this package: run ``python tools/unasync.py`` after a change.
Every method is one statement over a flow, so that the two colours cannot come to differ.
"""
