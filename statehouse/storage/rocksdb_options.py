"""How RocksDB is set up: the options of the database, and those of each of its tables.

No format is decided here: files written with other options can be read with these, except where it says so.
R1, R2 and R6 are rules of `statehouse.storage.rocksdb`.
"""

from __future__ import annotations

from typing import Any, Final

from rocksdict import (
    BlockBasedOptions,
    ChecksumType,
    DBCompressionType,
    DBRecoveryMode,
    Options,
    SliceTransform,
)

from statehouse.storage import Table

__all__ = ["RECORD_BYTES", "database_options", "table_options"]

_KIB: Final = 1 << 10
_MIB: Final = 1 << 20

_BUFFERS_BYTES: Final = 64 * _MIB
"""All memtables of a store together, however many tables it has."""

_BUFFER_BYTES: Final = 16 * _MIB
"""One memtable. RocksDB goes on after a full disk once this much is free."""

_LOG_BYTES_MAX: Final = 64 * _MIB
"""Tables are flushed before the log grows past this, so that opening after a kill stays quick."""

_OPEN_FILES_MAX: Final = 512

_HISTORY_BLOCK_BYTES: Final = 8 * _KIB
"""A version of a record that grows repeats the digests of the one before: in one block they cost nothing.
With 4 KiB the rows of a conversation's 4,000th message took twice the space of all else about it; with
16 KiB a read as of a time, which unpacks one block, took a sixth longer."""

_HISTORY_YOUNG_FILES_MAX: Final = 2
"""A seek looks into each young file; with RocksDB's four of them a read as of a time took a fifth longer."""

_LOOKED_UP: Final = frozenset(
    {Table.NAMES, Table.RECORDS, Table.VERSIONS, Table.TXNS, Table.HISTORY, Table.META}
)
"""Tables asked for single keys, absent ones too; a bloom filter answers those without reading a block."""

RECORD_BYTES: Final = 8
"""Of the record id that keys of HISTORY begin with; seeks within a record skip the files without it.
Filters in the files were made with this number, so it stays as it is."""


def database_options(cache: Any, *, create: bool, read_only: bool) -> Options:
    """Gives the options of the database as a whole.

    Args:
        cache: The cache of blocks that all tables share.
        create: There is none yet.
        read_only: It is another process's, and is only read.
    """
    options = table_options(None, cache)
    options.create_if_missing(create)
    # Also in a store that exists: making it may have been cut short between two tables.
    options.create_missing_column_families(not read_only)
    options.set_paranoid_checks(True)
    options.set_wal_recovery_mode(DBRecoveryMode.tolerate_corrupted_tail_records())  # R2
    options.set_atomic_flush(True)  # R6
    options.set_recycle_log_file_num(0)
    options.set_db_write_buffer_size(_BUFFERS_BYTES)
    options.set_max_total_wal_size(_LOG_BYTES_MAX)
    options.set_max_background_jobs(2)
    # A secondary must hold every file open: the primary may delete them under it.
    options.set_max_open_files(-1 if read_only else _OPEN_FILES_MAX)
    options.set_bytes_per_sync(1 * _MIB)
    options.set_manifest_preallocation_size(64 * _KIB)
    options.set_max_manifest_file_size(16 * _MIB)
    options.set_keep_log_file_num(2)
    options.set_max_log_file_size(1 * _MIB)
    options.set_stats_dump_period_sec(0)
    options.set_stats_persist_period_sec(0)
    return options


def table_options(table: Table | None, cache: Any) -> Options:
    """Gives the options of one table; of a table that a newer format has and this one does not know: None.

    Args:
        table: Which one.
        cache: The cache of blocks that all tables share.
    """
    blocks = BlockBasedOptions()
    blocks.set_block_cache(cache)
    # Those of NAMES are 3 MB a million records; looking them up is a third of a cold read.
    blocks.set_cache_index_and_filter_blocks(table is not Table.NAMES)
    blocks.set_pin_l0_filter_and_index_blocks_in_cache(True)
    blocks.set_checksum_type(ChecksumType.xxh3())
    if table is Table.HISTORY:
        blocks.set_block_size(_HISTORY_BLOCK_BYTES)
    if table in _LOOKED_UP:
        blocks.set_bloom_filter(10, False)
    options = Options(raw_mode=True)
    options.set_block_based_table_factory(blocks)
    options.set_write_buffer_size(_BUFFER_BYTES)
    options.set_max_write_buffer_number(3)
    # No blob files for large values: a secondary that reads one crashes the process (facebook/rocksdb#13296).
    # What is looked up all the time unpacks four times as fast with lz4. Everything else takes a third less
    # with zstd, also what has only just been flushed: text, ids and digests repeat nothing that lz4 sees.
    fast = table is None or table in (Table.NAMES, Table.META)
    options.set_compression_type(DBCompressionType.lz4() if fast else DBCompressionType.zstd())
    if table is Table.HISTORY:
        options.set_prefix_extractor(SliceTransform.create_fixed_prefix(RECORD_BYTES))
        options.set_level_zero_file_num_compaction_trigger(_HISTORY_YOUNG_FILES_MAX)
    # Writes are never slowed down (R1), only stopped: the two triggers would mean the same, so they are one.
    options.set_level_zero_slowdown_writes_trigger(36)
    options.set_level_zero_stop_writes_trigger(36)
    return options
