"""The file of an exported run: what is in it, how it is written, and that a damaged one is noticed."""

from __future__ import annotations

import gzip
import json
import random
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from statehouse import Statehouse, current_step, debug, step
from statehouse.debug.exports import file as export_file
from statehouse.debug.exports.contents import load_export
from statehouse.engine import open_engine
from statehouse.errors import (
    AlreadyExistsError,
    CorruptionError,
    ErasedError,
    FormatVersionError,
    LimitExceededError,
    NotFoundError,
    StatehouseError,
)
from statehouse.extend import run as run_flow
from statehouse.steps.reading import read_slot
from statehouse.storage.memory import MemoryStore
from statehouse.testing.daemon import serving
from tests.debug.exported import BIG, exported, fill, main, plan

Lines = list[dict[str, Any]]


@pytest.fixture
def sh() -> Iterator[Statehouse]:
    """The store that the run came from."""
    with Statehouse("memory:") as handle:
        fill(handle)
        yield handle


@pytest.fixture
def path(sh: Statehouse, tmp_path: Path) -> Path:
    """The file of the run."""
    debug.export(sh, "r-1", tmp_path / "r-1.shrun")
    return tmp_path / "r-1.shrun"


def lines_of(path: Path) -> Lines:
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]


def signed(lines: Lines) -> bytes:
    """A file with a trailer that fits its lines."""
    body = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    events = sum("commit_ts" in line for line in lines)
    trailer = {"trailer": {"events": events, "sha256": sha256(body).hexdigest()}}
    return gzip.compress(body + json.dumps(trailer, separators=(",", ":")).encode() + b"\n")


# What is in it.


def test_every_record_of_the_run_is_there(sh: Statehouse, path: Path) -> None:
    with debug.open(path) as opened:
        assert opened.run(run_id="r-1").steps() == sh.run(run_id="r-1").steps()
        assert list(debug.runs(opened)) == [run for run in debug.runs(sh) if run.run_id == "r-1"]


def test_a_value_beside_the_record_is_there(path: Path) -> None:
    with debug.open(path) as opened:
        told = next(record for record in opened.run(run_id="r-1").steps() if record.name == "tell")
        assert run_flow(opened, read_slot("default", "r-1", told.output)) == BIG


def test_every_commit_is_as_it_was(sh: Statehouse, path: Path) -> None:
    with debug.open(path) as opened:
        assert list(opened.find_events(run_id="r-1")) == list(sh.find_events(run_id="r-1"))


def test_who_else_wrote_a_key_is_there_with_what_that_step_had_read(sh: Statehouse, path: Path) -> None:
    begun = sh.run(run_id="r-1").steps()[0].read_ts
    with debug.open(path) as opened:
        found = debug.blame(opened, "seen", agent_id="planner", at=begun)
        wanted = debug.blame(sh, "seen", agent_id="planner", at=begun)
        assert (found.held, found.run, found.step) == (wanted.held, wanted.run, wanted.step)
        assert found.step is not None
        assert (found.step.run_id, found.step.path) == ("r-0", "meddle#1")
        assert [(read.name.key, read.held.version) for read in found.reads] == [("seen", 2)]
        # What that was is from before the run, and so it is said to be somewhere else.
        assert [gap.why for gap in found.gaps] == ["not_exported"]


def test_what_was_stale_is_told_from_the_file_as_from_the_store(sh: Statehouse, path: Path) -> None:
    with debug.open(path) as opened:
        for record in sh.run(run_id="r-1").steps():
            there, here = debug.reads(sh, "r-1", record.path), debug.reads(opened, "r-1", record.path)
            assert (here.keys == there.keys) or here.now_ts < there.now_ts
            assert (here.ranges, here.stale, here.gaps) == (there.ranges, there.stale, ())


def test_a_run_inside_the_run_is_there(sh: Statehouse, tmp_path: Path) -> None:
    @step
    def ask() -> None:
        with sh.run(agent_id="child", run_id="inside"):
            plan("inner")

    with sh.run(agent_id="planner", run_id="outside"):
        ask()
    with sh.run(agent_id="child", run_id="later"):
        plan("not inside")
    with exported(sh, tmp_path / "x.shrun", "outside") as opened:
        assert [run.run_id for run in debug.runs(opened)] == ["inside", "outside"]
        assert opened.run(run_id="inside").steps() == sh.run(run_id="inside").steps()
        assert opened.get_state("seen", agent_id="child").value == ["inner"]


def test_a_run_that_runs_is_exported_as_it_is(sh: Statehouse, tmp_path: Path) -> None:
    with sh.run(agent_id="planner", run_id="running"):
        plan("first")
        sh.write("later", 1, agent_id="nobody")
        with exported(sh, tmp_path / "x.shrun", "running") as opened:
            assert opened.status().commit_ts == sh.status().commit_ts
            assert [run.status for run in debug.runs(opened)] == ["running"]
        plan("second")
    with exported(sh, tmp_path / "y.shrun", "running") as opened:
        assert len(opened.run(run_id="running").steps()) == 2


def test_an_awaiting_handle_will_do(sh: Statehouse, path: Path) -> None:
    assert debug.export(sh.aio, "r-1", path, force=True).events == len(load_export(path).events)


def test_a_daemon_is_exported_from_as_an_engine_is(tmp_path: Path) -> None:
    engine = open_engine(MemoryStore(), durability="none")
    with closing(engine), serving(engine, grace_s=0.0) as url:
        with Statehouse.from_engine(engine) as local:
            fill(local)
            near = debug.export(local, "r-1", tmp_path / "near.shrun")
        with Statehouse(url) as remote:
            far = debug.export(remote, "r-1", tmp_path / "far.shrun")
    assert (far.events, far.keys, far.withheld) == (near.events, near.keys, near.withheld)
    assert facts(tmp_path / "far.shrun")[1:] == facts(tmp_path / "near.shrun")[1:]


def test_what_is_written_meanwhile_is_not_in_it(sh: Statehouse, tmp_path: Path) -> None:
    def meddle(done: float, total: float) -> None:
        sh.write("seen", "meanwhile", agent_id="planner")

    debug.export(sh, "r-1", tmp_path / "x.shrun", progress=meddle)
    with debug.open(tmp_path / "x.shrun") as opened:
        head = opened.status().commit_ts
        assert opened.get_state("seen", agent_id="planner") == sh.get_state(
            "seen", agent_id="planner", at=head
        )


def test_a_fork_comes_with_the_run_that_it_was_forked_from(sh: Statehouse, tmp_path: Path) -> None:
    forked = debug.fork(sh, "r-1", main, step="plan#2", set_state={"seen": ["set"]}, fork_id="f-1")
    assert forked.ran == ("plan#2",)
    with exported(sh, tmp_path / "x.shrun", "f-1") as opened:
        assert {run.run_id for run in debug.runs(opened)} == {"f-1", "r-1"}
        for path in ("plan#1", "plan#2"):
            assert debug.reads(opened, "f-1", path) == debug.reads(sh, "f-1", path)


def test_all_state_holds_every_key_of_the_agents_that_were_touched(sh: Statehouse, tmp_path: Path) -> None:
    with exported(sh, tmp_path / "x.shrun", all_state=True) as opened:
        head = opened.status().commit_ts
        for agent_id in ("planner", "other"):
            assert list(opened.scan_prefix("", agent_id=agent_id)) == list(
                sh.scan_prefix("", agent_id=agent_id, at=head)
            )
        with pytest.raises(debug.NotExportedError):
            opened.list_keys(agent_id="meddler")


def test_what_was_erased_is_erased_there(sh: Statehouse, tmp_path: Path) -> None:
    sh.erase(keys=["seen"], agent_id="planner")
    with exported(sh, tmp_path / "x.shrun") as opened, pytest.raises(ErasedError):
        opened.get_state("seen", agent_id="planner")


def test_a_step_outside_of_what_is_exported_says_nothing_of_its_values(path: Path) -> None:
    assert b'"s"' not in gzip.decompress(path.read_bytes())
    named = [each for line in lines_of(path) for each in line.get("operations", ()) if "withheld" in each]
    assert "unread" in [each["key"] for each in named]
    assert not any("json" in each or "base64" in each for each in named)


def test_a_run_that_is_not_there_leaves_no_file(sh: Statehouse, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="there is no run r-9"):
        debug.export(sh, "r-9", tmp_path / "x.shrun")
    assert list(tmp_path.iterdir()) == []


# How it is written.


def test_a_file_that_is_there_is_left_as_it_is(sh: Statehouse, path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(AlreadyExistsError, match="force=True replaces it"):
        debug.export(sh, "r-1", path)
    assert path.read_bytes() == before
    debug.export(sh, "r-1", path, force=True, all_state=True)
    assert path.read_bytes() != before


def test_a_file_that_came_meanwhile_is_left_as_it_is(sh: Statehouse, tmp_path: Path) -> None:
    path = tmp_path / "x.shrun"
    with pytest.raises(AlreadyExistsError):
        debug.export(sh, "r-1", path, progress=lambda done, total: path.write_bytes(b"theirs"))
    assert [each.read_bytes() for each in tmp_path.iterdir()] == [b"theirs"]


def test_what_breaks_off_leaves_nothing(sh: Statehouse, tmp_path: Path) -> None:
    def stop(done: float, total: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        debug.export(sh, "r-1", tmp_path / "x.shrun", progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_for_its_owner_alone(path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_an_export_larger_than_can_be_opened_is_refused(
    sh: Statehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_file, "FILE_BYTES_MAX", 2000)
    with pytest.raises(LimitExceededError, match="as much as can be opened"):
        debug.export(sh, "r-1", tmp_path / "x.shrun")
    assert list(tmp_path.iterdir()) == []


# Damaged, foreign and hostile files.


def facts(path: Path) -> tuple[Any, ...]:
    found = load_export(path)
    return found.header, tuple(found.coverage.lines()), tuple(found.events)


def test_a_cut_file_is_noticed_wherever_it_was_cut(path: Path) -> None:
    whole = path.read_bytes()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(CorruptionError):
            load_export(path)


def test_a_flipped_bit_is_noticed_or_does_not_matter(path: Path) -> None:
    whole, wanted = path.read_bytes(), facts(path)
    places = random.Random(5)
    for _ in range(200):
        place = places.randrange(len(whole))
        changed = bytearray(whole)
        changed[place] ^= 1 << places.randrange(8)
        path.write_bytes(changed)
        try:
            found = facts(path)
        except CorruptionError:
            continue
        # The head of a gzip file has a time, and the like.
        assert found == wanted


def test_an_altered_line_is_noticed(path: Path) -> None:
    text = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(text.replace(b"kettle", b"teapot")))
    with pytest.raises(CorruptionError, match="was altered"):
        load_export(path)


def test_a_file_behind_the_file_is_noticed(path: Path) -> None:
    path.write_bytes(path.read_bytes() * 2)
    with pytest.raises(CorruptionError, match="more after its trailer"):
        load_export(path)


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"\x1f\x8b", gzip.compress(b""), gzip.compress(b"{}\n")],
    ids=["nothing", "JSON", "a beginning", "packed nothing", "packed JSON"],
)
def test_a_foreign_file_is_no_exported_run(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.shrun"
    path.write_bytes(content)
    with pytest.raises(CorruptionError, match="not an exported run"):
        debug.open(path)


def test_a_newer_file_says_what_to_do(path: Path) -> None:
    lines = lines_of(path)[:-1]
    lines[0] |= {"statehouse_run": 2, "statehouse": "9.9"}
    path.write_bytes(signed(lines))
    with pytest.raises(FormatVersionError, match="upgrade") as refused:
        debug.open(path)
    assert (refused.value.found, refused.value.supported) == (2, 1)


def test_a_file_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        debug.open(tmp_path / "x.shrun")
    with pytest.raises(NotFoundError):
        debug.open(tmp_path)


def change(where: int, **changed: Any) -> Callable[[Lines], None]:
    def apply(lines: Lines) -> None:
        lines[where] |= changed

    return apply


def swap(lines: Lines) -> None:
    lines[-1], lines[-2] = lines[-2], lines[-1]


def change_operation(**changed: Any) -> Callable[[Lines], None]:
    def apply(lines: Lines) -> None:
        lines[-1]["operations"][0] |= changed

    return apply


@pytest.mark.parametrize(
    "alter",
    [
        change(0, namespace=7),
        change(0, run_id="a\nb"),
        change(0, to_ts=1),
        change(0, to_us=10**18),
        change(0, epochs=[{}]),
        change(0, runs=[[]]),
        change(0, all_state=1),
        change(1, held=["a"]),
        change(1, from_ts=-1),
        change(1, keys=[["x"]]),
        change(1, keys=["\x00"]),
        change(-1, commit_ts=0),
        change(-1, commit_ts=True),
        change(-1, committed_at_us=-1),
        change(-1, txn_id=""),
        change(-1, origin={"x": 1}),
        change(-1, origin=[]),
        change(-1, operations=[]),
        change(-1, operations={"a": 1}),
        change_operation(kind="other"),
        change_operation(version=0),
        change_operation(namespace=None),
        change_operation(json=float("nan")),
        change_operation(withheld=True, kind="other"),
        swap,
        lambda lines: lines.append({}),
        lambda lines: lines[-1].pop("operations"),
        lambda lines: lines[0].pop("status"),
    ],
)
def test_lines_that_make_no_sense_are_refused_although_their_digest_is_right(
    path: Path, alter: Callable[[Lines], Any]
) -> None:
    lines = lines_of(path)[:-1]
    alter(lines)
    path.write_bytes(signed(lines))
    with pytest.raises(CorruptionError):
        load_export(path)


@pytest.mark.parametrize("line", [b"[" * 100_000, b"7", b'{"held":', b"\xff"])
def test_a_line_that_is_no_object_is_refused(path: Path, line: bytes) -> None:
    head = gzip.decompress(path.read_bytes()).splitlines(keepends=True)[0]
    path.write_bytes(gzip.compress(head + line + b"\n"))
    with pytest.raises(CorruptionError, match="line 2 is damaged"):
        load_export(path)


def test_a_bomb_is_not_unpacked(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_file, "LINE_BYTES_MAX", 10_000)
    monkeypatch.setattr(export_file, "FILE_BYTES_MAX", 100_000)
    monkeypatch.setattr(export_file, "ROWS_MAX", 100)
    head = gzip.decompress(path.read_bytes()).splitlines(keepends=True)[0]
    line = b'{"held":["n","a"],"from_ts":0,"prefix":""}\n'
    keys = b'{"held":["n","a"],"from_ts":0,"keys":["a","b"]}\n'
    for bomb in (b" " * 50_000_000, line * 10_000, keys * 51):
        path.write_bytes(gzip.compress(head + bomb))
        with pytest.raises(CorruptionError, match="unpacks to more than an export may hold"):
            load_export(path)


def test_an_export_goes_through_a_pipe(sh: Statehouse, path: Path) -> None:
    file = BytesIO()
    done = debug.export_to(sh, "r-1", file)
    path.write_bytes(file.getvalue())
    assert load_export(path).sha256 == done.sha256


def test_the_handle_of_a_store_refuses_the_file(path: Path) -> None:
    for url in (path, f"file:{path}", str(path)):
        with pytest.raises(StatehouseError, match=r"statehouse\.debug\.open"):
            Statehouse(url)


def test_a_key_that_a_step_deleted_is_absent(sh: Statehouse, tmp_path: Path) -> None:
    @step
    def forget() -> None:
        current_step().state.discard("seen")

    with sh.run(agent_id="planner", run_id="r-2"):
        forget()
    with exported(sh, tmp_path / "x.shrun", "r-2") as opened, pytest.raises(NotFoundError):
        opened.get_state("seen", agent_id="planner")
