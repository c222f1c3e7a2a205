"""The blocking façade: `Statehouse`, `Agent`, `Transaction`.

Generated from `statehouse.client._async`: run ``python tools/unasync.py`` after a change there.
Every method is one statement over a flow, so that the two colours cannot come to differ.
"""
