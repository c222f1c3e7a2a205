"""``store dump`` and ``store load``: the same history elsewhere, or a refusal that changes nothing."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from statehouse import Event, Statehouse
from statehouse.extend import Payload
from statehouse.storage import Table
from statehouse.storage.rocksdb import RocksStore

Run = Callable[..., Any]
Spawn = Callable[..., "subprocess.Popen[bytes]"]


def history(where: Path | str) -> list[Event]:
    read_only = True if isinstance(where, Path) or where.startswith("file:") else None
    with Statehouse(where, read_only=read_only) as sh:
        return list(sh.replay(whole_store=True))


def directory_size(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


@pytest.fixture
def dump(look: Run, tmp_path: Path) -> Path:
    """A dump of the filled store."""
    path = tmp_path / "dump.jsonl"
    assert look("store", "dump", "-o", str(path)).code == 0
    return path


def signed(lines: list[bytes], **changed: int) -> bytes:
    """A dump with a trailer that fits its lines."""
    body = b"".join(lines)
    trailer = {"events": len(lines) - 1, "erased": 0, "sha256": sha256(body).hexdigest(), **changed}
    return body + json.dumps({"trailer": trailer}, separators=(",", ":")).encode() + b"\n"


def test_a_loaded_store_replays_the_same(anywhere: Run, home: str, dump: Path, filled: str) -> None:
    assert anywhere("store", "load", str(dump)).code == 0
    assert history(home) == history(filled)


def test_a_loaded_store_is_sound(anywhere: Run, dump: Path) -> None:
    anywhere("store", "load", str(dump))
    assert anywhere("store", "check").code == 0


def test_a_dump_of_a_loaded_store_has_the_same_events(anywhere: Run, look: Run, dump: Path) -> None:
    anywhere("store", "load", str(dump))
    again = anywhere("store", "dump", "-o", "-").out.splitlines()
    assert again[1:-1] == dump.read_text().splitlines()[1:-1]


def test_a_dump_goes_through_a_pipe(anywhere: Run, look: Run, home: str, filled: str) -> None:
    assert anywhere("store", "load", "-", stdin=look("store", "dump", "-o", "-").raw).code == 0
    assert history(home) == history(filled)


def test_json_that_is_not_written_our_way_comes_back_byte_by_byte(
    anywhere: Run, home: str, tmp_path: Path
) -> None:
    odd = [b'{"a": 1}', b'"\\u00e9"', b"1.50", b'{"a":1,"a":2}', b"NaN", b"{", b'"\\ud800"', b"[" * 5000]
    with Statehouse(tmp_path / "odd") as sh:
        for number, data in enumerate(odd):
            sh.write(f"k{number}", Payload("application/json", data), agent_id="a")
    target = str(tmp_path / "dump")
    assert anywhere("store", "dump", "-o", target, "--url", f"file:{tmp_path / 'odd'}").code == 0
    assert anywhere("store", "load", target).code == 0
    loaded = history(home)
    assert [event.operations[0].payload for event in loaded] == [Payload("application/json", d) for d in odd]


def test_loading_again_changes_nothing(anywhere: Run, dump: Path) -> None:
    anywhere("store", "load", str(dump))
    again = anywhere("store", "load", str(dump), "--json").document
    assert again == {"events": 6, "present": 6, "commit_ts": 6}


def test_a_later_part_is_loaded_on_top_of_an_earlier_one(
    anywhere: Run, look: Run, home: str, filled: str, tmp_path: Path
) -> None:
    look("store", "dump", "-o", str(tmp_path / "one"), "--to", "3")
    look("store", "dump", "-o", str(tmp_path / "two"), "--from", "4")
    assert anywhere("store", "load", str(tmp_path / "two")).code == 2
    assert anywhere("store", "load", str(tmp_path / "one")).code == 0
    assert anywhere("store", "load", str(tmp_path / "two")).code == 0
    assert history(home) == history(filled)


def test_a_later_part_of_other_history_is_refused(anywhere: Run, look: Run, tmp_path: Path) -> None:
    look("store", "dump", "-o", str(tmp_path / "two"), "--from", "2")
    anywhere("put", "a", "k", "1")
    refused = anywhere("store", "load", str(tmp_path / "two"))
    assert refused.code == 4
    assert "other history" in refused.err


def test_a_store_with_other_history_is_refused_and_left_as_it_is(
    anywhere: Run, home: str, dump: Path
) -> None:
    anywhere("put", "a", "k", "1")
    before = history(home)
    refused = anywhere("store", "load", str(dump))
    assert refused.code == 4
    assert "commit_ts 1 is transaction" in refused.err
    assert history(home) == before


def test_a_store_that_went_on_is_refused(anywhere: Run, dump: Path) -> None:
    anywhere("store", "load", str(dump))
    anywhere("put", "a", "k", "1")
    refused = anywhere("store", "load", str(dump))
    assert refused.code == 4
    assert "goes on to commit_ts 7" in refused.err


def cuts(dump: bytes) -> Iterator[bytes]:
    """A dump cut after every line, in every line, and in its trailer."""
    at = 0
    for line in dump.splitlines(keepends=True):
        if at:
            yield dump[:at]
        yield dump[: at + len(line) // 2]
        at += len(line)
    yield dump[:-1]


def test_a_cut_dump_is_noticed_before_anything_is_written(run: Run, directory: Path, dump: Path) -> None:
    whole = dump.read_bytes()
    for cut in cuts(whole):
        dump.write_bytes(cut)
        assert run("store", "load", str(dump)).code in (2, 6), cut[-80:]
    assert not directory.exists()


def test_a_cut_pipe_is_noticed_at_its_end(anywhere: Run, home: str, dump: Path, filled: str) -> None:
    whole = dump.read_bytes()
    lines = whole.splitlines(keepends=True)
    assert anywhere("store", "load", "-", stdin=b"".join(lines[:4])).code == 6
    assert anywhere("store", "load", "-", stdin=whole).code == 0
    assert history(home) == history(filled)


def test_an_altered_dump_is_noticed_before_anything_is_written(run: Run, directory: Path, dump: Path) -> None:
    dump.write_bytes(dump.read_bytes().replace(b"make tea", b"make war"))
    refused = run("store", "load", str(dump))
    assert (refused.code, directory.exists()) == (6, False)
    assert "was altered" in refused.err


def test_more_after_the_trailer_is_refused(run: Run, dump: Path) -> None:
    dump.write_bytes(dump.read_bytes() * 2)
    assert run("store", "load", str(dump)).code == 6


@pytest.mark.parametrize(
    "line",
    [
        b"{}",
        b"[]",
        b"null",
        b"{",
        b'{"commit_ts":1}',
        b'{"commit_ts":2,"txn_id":"t","committed_at_us":1,"origin":{},"operations":[]}',
        b'{"commit_ts":1,"txn_id":"t","committed_at_us":1,"origin":{},"operations":[]}',
        b'{"commit_ts":1,"txn_id":"t","committed_at_us":1,"origin":{"x":1},"operations":[{}]}',
        b'{"commit_ts":1,"txn_id":"t","committed_at_us":1,"origin":{},"operations":[{"kind":"x"}]}',
        b"[" * 100_000,
    ],
    ids=lambda line: line[:60].decode(),
)
def test_a_line_that_is_no_event_is_refused(run: Run, dump: Path, line: bytes) -> None:
    header = dump.read_bytes().splitlines(keepends=True)[0].replace(b'"to_ts":6', b'"to_ts":1')
    dump.write_bytes(signed([header, line + b"\n"]))
    assert run("store", "load", str(dump)).code == 6


@pytest.mark.parametrize(
    "field,bad",
    [
        ("txn_id", 7),
        ("txn_id", ""),
        ("committed_at_us", "x"),
        ("committed_at_us", -1),
        ("origin", {"trace_id": "x"}),
        ("origin", []),
        ("operations", [{"kind": "delete", "namespace": "", "agent_id": "a", "key": "k", "version": 1}]),
        ("operations", [{"kind": "delete", "namespace": 1, "agent_id": "a", "key": "k", "version": 1}]),
    ],
)
def test_an_event_with_something_impossible_in_it_is_refused(
    run: Run, dump: Path, field: str, bad: object
) -> None:
    header, first, *_ = dump.read_bytes().splitlines(keepends=True)
    line = json.dumps({**json.loads(first), field: bad}).encode() + b"\n"
    dump.write_bytes(signed([header.replace(b'"to_ts":6', b'"to_ts":1'), line]))
    assert run("store", "load", str(dump)).code in (2, 6)


def test_a_dump_with_erased_values_is_refused_before_anything_is_written(
    run: Run, directory: Path, dump: Path
) -> None:
    dump.write_bytes(signed(dump.read_bytes().splitlines(keepends=True)[:-1], erased=2))
    refused = run("store", "load", str(dump))
    assert (refused.code, directory.exists()) == (2, False)
    assert "2 operations whose values were erased" in refused.err


def test_a_dump_of_a_later_format_is_refused(run: Run, dump: Path) -> None:
    dump.write_bytes(dump.read_bytes().replace(b'"statehouse_dump":1', b'"statehouse_dump":2'))
    assert "use a newer statehousectl" in run("store", "load", str(dump)).err


def test_what_is_no_dump_is_refused(run: Run, tmp_path: Path) -> None:
    tmp_path.joinpath("x").write_text("dear diary\n")
    refused = run("store", "load", str(tmp_path / "x"))
    assert refused.code == 2
    assert "is not a dump" in refused.err


def test_an_empty_store_is_dumped_and_loaded(run: Run, tmp_path: Path, directory: Path) -> None:
    Statehouse(tmp_path / "empty").close()
    target = str(tmp_path / "dump")
    assert run("store", "dump", "-o", target, "--url", f"file:{tmp_path / 'empty'}").code == 0
    assert run("store", "load", target).code == 0
    assert history(directory) == []


def test_a_dump_is_for_its_owner_alone(dump: Path) -> None:
    assert dump.stat().st_mode & 0o077 == 0


def test_a_dump_that_fails_half_way_leaves_the_file_of_before(
    run: Run, directory: Path, tmp_path: Path
) -> None:
    target = tmp_path / "dumps" / "dump.jsonl"
    target.parent.mkdir()
    run("put", "a", "k", "1")
    run("put", "a", "k", "2")
    run("store", "dump", "-o", str(target))
    before = target.read_bytes()
    store = RocksStore.open(directory)
    key, _ = store.scan(Table.HISTORY, b"", b"\xff" * 24)[0]
    store.write([(Table.HISTORY, key, None)])
    store.close()
    assert run("store", "dump", "-o", str(target), "--force").code == 6
    assert target.read_bytes() == before
    assert [path.name for path in target.parent.iterdir()] == ["dump.jsonl"]


def test_a_file_that_is_there_is_replaced_only_by_force(run: Run, tmp_path: Path) -> None:
    target = tmp_path / "dump.jsonl"
    target.write_text("dear diary\n")
    run("put", "a", "k", "1")
    refused = run("store", "dump", "-o", str(target))
    assert (refused.code, target.read_text()) == (4, "dear diary\n")
    assert refused.err == f"statehousectl: {str(target)!r} is there already; --force replaces it\n"
    assert run("store", "dump", "-o", str(target), "--force").code == 0
    assert target.read_bytes() == run("store", "dump", "-o", "-").raw


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="writes to /dev/full")
def test_a_dump_that_finds_no_room_names_its_file(run: Run) -> None:
    run("put", "a", "k", "1")
    done = run("store", "dump", "-o", "/dev/full")
    assert (done.code, done.err) == (
        5,
        "statehousectl: cannot write '/dev/full': No space left on device\n",
    )


def test_a_dump_is_written_into_a_named_pipe(spawn: Spawn, run: Run, tmp_path: Path) -> None:
    run("put", "a", "k", "1")
    os.mkfifo(tmp_path / "fifo")
    dumping = spawn("store", "dump", "-o", str(tmp_path / "fifo"))
    written = (tmp_path / "fifo").read_bytes()
    dumping.communicate()
    assert written == run("store", "dump", "-o", "-").raw


def test_values_that_grow_are_stored_as_what_is_new_when_they_are_loaded(run: Run, directory: Path) -> None:
    source = directory.parent / "source"
    with Statehouse(source, durability="none") as sh:
        record = None
        for number in range(100):
            sh.write("log", ["x" * 1000] * number, agent_id="a", extends=record)
            record = sh.get_state("log", agent_id="a")
    run("store", "dump", "-o", str(directory.parent / "dump"), "--url", f"file:{source}")
    run("store", "load", str(directory.parent / "dump"))
    assert history(directory) == history(source)
    assert directory_size(directory) < 2 * directory_size(source)


def test_a_load_that_was_killed_goes_on_where_it_was(run: Run, directory: Path, spawn: Spawn) -> None:
    source = directory.parent / "source"
    with Statehouse(source, durability="none") as sh:
        for number in range(900):
            sh.write(f"k{number % 9}", number, agent_id="a", txn_id=f"t{number}")
    target = directory.parent / "dump"
    run("store", "dump", "-o", str(target), "--url", f"file:{source}")
    lines = target.read_bytes().splitlines(keepends=True)
    loading = spawn("store", "load", "-")
    assert loading.stdin is not None
    loading.stdin.write(b"".join(lines[:700]))
    loading.stdin.flush()
    # The load waits for the rest; what it has sent is there, and nothing says so but the store.
    while len(committed := _so_far(directory)) < 512:
        assert loading.poll() is None
    loading.kill()
    loading.communicate()
    assert committed == history(source)[: len(committed)]
    resumed = run("store", "load", str(target), "--json").document
    assert resumed["present"] >= 512
    assert history(directory) == history(source)
    assert run("store", "check").code == 0


def _so_far(directory: Path) -> list[Event]:
    if not directory.joinpath("rocks", "CURRENT").exists():
        return []
    try:
        return history(directory)
    except Exception:  # noqa: BLE001 - it is being made at this moment
        return []
