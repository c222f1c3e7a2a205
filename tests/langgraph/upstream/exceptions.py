"""Tests of LangGraph that pass with its own saver in memory and cannot with ours, each with the reason."""

from __future__ import annotations

from typing import Final

INSIDE: Final = "looks into InMemorySaver's own dictionaries (.blobs, .storage, .writes)"
WARNED: Final = (
    "wants a warning before an unregistered type is called; ours calls only the program's data classes"
)
FROM_SYNC: Final = (
    "counts calls of the blocking method that InMemorySaver's awaiting one makes; ours makes none"
)

_FALLBACK: Final = "tests.test_memory.TestBaseFallbackGetChannelWrites"
_DELTA: Final = "tests.test_memory.TestInMemorySaverDeltaChannel"
_TERMINATOR: Final = "tests.test_memory.TestPreDeltaBlobTerminator"
_CACHE_HIT: Final = "test_a_cache_hit_saves_its_writes_without_caching_them_again_async"
_BULK: Final = "test_bulk_update_state_replays_updates_in_the_order_given"

EXCEPTIONS: Final[dict[str, dict[str, str]]] = {
    "langgraph": {
        "tests.test_channels::test_delta_channel_snapshot_version_based": INSIDE,
        **{
            f"tests.test_delta_channel_node_cache::{_CACHE_HIT}[{durability}]": FROM_SYNC
            for durability in ("sync", "async", "exit")
        },
        "tests.test_delta_channel_supersteps_bound::test_anever_written_channel_is_not_walked": FROM_SYNC,
        f"tests.test_delta_channel_update_state::{_BULK}": INSIDE,
    },
    "langgraph-checkpoint": {
        "tests.test_memory::test_memory_saver_warns_on_unregistered_msgpack": WARNED,
        f"{_FALLBACK}::test_async_fallback_concurrent_tasks_do_not_interfere": INSIDE,
        f"{_FALLBACK}::test_async_fallback_returns_ancestor_writes_oldest_first": INSIDE,
        f"{_FALLBACK}::test_fallback_returns_ancestor_writes_oldest_first": INSIDE,
        f"{_DELTA}::test_get_channel_writes_at_root_returns_empty": INSIDE,
        f"{_DELTA}::test_get_channel_writes_collects_ancestor_writes_only": INSIDE,
        f"{_DELTA}::test_load_blobs_omits_delta_channel": INSIDE,
        f"{_TERMINATOR}::test_seed_bounds_walk_without_dropping_its_own_writes": INSIDE,
        f"{_TERMINATOR}::test_seed_from_pre_delta_ancestor_blob": INSIDE,
    },
}

TIMED: Final = frozenset(
    f"tests.{module}::test_imp_nested[memory-{durability}]"
    for module in ("test_pregel", "test_pregel_async")
    for durability in ("sync", "async", "exit")
) | frozenset(
    f"tests.{module}::{test}[memory]"
    for module in ("test_pregel", "test_pregel_async")
    for test in ("test_stream_buffering_single_node", "test_stream_subgraphs_during_execution")
)
"""Tests that say in which order parallel tasks end that sleep 10 ms apart, or what comes within which tenth
of a second: through a daemon on a busy machine that is otherwise now and then. They are run like all others
and count for nothing.
"""
