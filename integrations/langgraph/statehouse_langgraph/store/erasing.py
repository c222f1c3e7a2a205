"""Erasing: items are deleted, and every value they ever had is taken out of history and log, for good.

What is put meanwhile may be erased, too, and is deleted then. Erasing again finishes what was cut short.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from statehouse.extend import Erase, Flow, Scan, ask
from statehouse_langgraph.store import keys
from statehouse_langgraph.store.keys import Namespace
from statehouse_langgraph.store.putting import Put, put
from statehouse_langgraph.store.reading import Backing

_DELETED_AT_ONCE: Final = 1_000


def erase(backing: Backing, namespace: Namespace, key: str | None) -> Flow[int]:
    """Erases an item, or everything in a namespace and below it, and gives how many values were.

    Raises (in the flow):
        StatehouseError: As commits and `Erase` do.
    """
    prefix = keys.subtree(namespace) if key is None else keys.name_of(namespace, key)
    yield from _delete(backing, prefix, exact=key is not None)
    erased = yield from _erase(backing, keys.ITEMS, prefix, exact=key is not None)
    # A vector says much of the text that it was made of.
    yield from _erase(backing, keys.VECTORS, prefix, exact=key is not None)
    yield from _delete(backing, prefix, exact=key is not None, erased=True)
    return erased


def _delete(backing: Backing, prefix: str, *, exact: bool, erased: bool = False) -> Flow[None]:
    after: str | None = None
    more = True
    while more:
        page = yield from ask(
            Scan(backing.namespace, keys.ITEMS, prefix, keys_only=True, limit=_DELETED_AT_ONCE, after=after)
        )
        names = [
            entry.key.key
            for entry in page.entries
            if (not exact or entry.key.key == prefix) and (not erased or entry.kind == "erased")
        ]
        more = page.cursor is not None and not exact
        after = page.entries[-1].key.key if page.entries else None
        if names:
            yield from put(backing, [(_deletion(name), None) for name in names])


def _deletion(name: str) -> Put:
    return Put(name, *keys.parse_name(name), None)


def _erase(backing: Backing, agent_id: str, prefix: str, *, exact: bool) -> Flow[int]:
    request = Erase(backing.namespace, agent_id)
    request = replace(request, keys=(prefix,)) if exact else replace(request, prefixes=(prefix,))
    erased = 0
    while True:
        part = yield from ask(request)
        erased += part.versions
        if part.cursor is None:
            return erased
        request = replace(request, cursor=part.cursor)
