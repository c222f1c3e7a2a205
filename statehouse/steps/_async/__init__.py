"""The asyncio façade: `RunAsync`.

`statehouse.steps._sync` is generated from this package: run ``python tools/unasync.py`` after a change.
"""
