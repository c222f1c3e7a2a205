"""What can be said: names, values, origins, requests, replies, and the `Engine` protocol.

Nothing here does I/O or knows how bytes are kept or travel.
"""
