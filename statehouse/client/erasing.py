"""Erasing for good, part by part until nothing is left."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from statehouse.client.reads import key_list
from statehouse.protocol.engine import Flow
from statehouse.protocol.replies import SHARED_KEYS_MAX, Erased
from statehouse.protocol.requests import Erase


def erase(request: Erase, progress: Callable[[Erased], object] | None = None) -> Flow[Erased]:
    """Erases all of what a request names, and gives the sum of its parts.

    Args:
        request: What to erase; its cursor is where to begin.
        progress: Called after each part with the sum so far.

    Returns:
        How much was erased, with no cursor.

    Raises (in the flow):
        StatehouseError: As `Erase` says. Some of it is erased then: erase again.
    """
    versions = shared_versions = 0
    keys: set[str] = set()
    while True:
        part: Erased = yield request
        versions += part.versions
        shared_versions += part.shared_versions
        keys.update(part.shared_keys)
        keys = set(sorted(keys)[:SHARED_KEYS_MAX])
        whole = Erased(versions, shared_versions, tuple(sorted(keys)), part.cursor)
        if progress is not None:
            progress(whole)
        if part.cursor is None:
            return whole
        request = replace(request, cursor=part.cursor)


def erasing(
    namespace: str, agent_id: str, keys: Iterable[str], prefix: str | None, *, dry_run: bool
) -> Flow[Erased]:
    """Erases keys of an agent; see `StatehouseAsync.erase`."""
    prefixes = () if prefix is None else (prefix,)
    return erase(Erase(namespace, agent_id, tuple(key_list(keys)), prefixes, dry_run))
