"""The blocking façade: `Run`.

Generated from `statehouse.steps._async`: run ``python tools/unasync.py`` after a change there.
"""
