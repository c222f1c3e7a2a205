"""How you hold it: `Statehouse`, `StatehouseAsync`, and their transactions.

Whatever needs several requests is a flow (logic without I/O, see `statehouse.protocol.engine.Flow`):
`reads`, `pages`, `transactions`. Two drivers run flows, `blocking` and `awaiting`. The façades say one
statement a method; `_async` is written by hand, `_sync` is generated from it by ``tools/unasync.py``.
"""
