"""A daemon that cannot start says why in one paragraph, exits with the code for it, and changes nothing."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from statehouse import Statehouse
from statehouse.engine import layout
from statehouse.storage import Table
from statehouse.storage.rocksdb import RocksStore
from tests.daemon.processes import COMMAND, cut, refused


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "store"


def only(said: str) -> str:
    """The one line that was said, without the program's name."""
    assert said.startswith("statehoused: ")
    assert said.endswith("\n")
    assert said.count("\n") == 1, said
    return said.removeprefix("statehoused: ").rstrip("\n")


def test_a_command_line_that_makes_no_sense_exits_with_2(directory: Path) -> None:
    code, said = refused("--data-dir", str(directory), "--durability", "often")
    assert (code, only(said)) == (2, "--durability: 'often' is neither sync nor none")
    assert not directory.exists()


def test_an_option_that_there_is_not_exits_with_2() -> None:
    code, said = refused("--verbose")
    assert code == 2
    assert "--verbose" in only(said)
    assert said.endswith(" (more: statehoused --help)\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="writes to /dev/full")
@pytest.mark.parametrize("option", ["--help", "--version", "--print-config"])
def test_output_that_finds_no_room_exits_with_5(option: str) -> None:
    with Path("/dev/full").open("w") as full:
        command = [*COMMAND, "--memory", option]
        done = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False
        )
    assert (done.returncode, only(done.stderr)) == (5, "output: No space left on device")


def test_an_address_that_others_can_reach_exits_with_2(directory: Path) -> None:
    code, said = refused("--data-dir", str(directory), "--listen", "0.0.0.0:0")
    assert code == 2
    assert only(said).startswith("0.0.0.0:0 can be reached from other machines")
    assert not directory.exists()


def test_a_port_in_use_exits_with_5_and_makes_no_store(directory: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        where = f"127.0.0.1:{server.getsockname()[1]}"
        code, said = refused("--data-dir", str(directory), "--listen", where)
    assert code == 5
    assert only(said).startswith(f"{where} is in use by another process; ")
    assert not directory.exists()


def test_a_directory_of_something_else_exits_with_2_and_is_left(directory: Path) -> None:
    directory.mkdir()
    (directory / "thesis.txt").write_text("precious")
    code, said = refused("--data-dir", str(directory), "--listen", "127.0.0.1:0")
    assert code == 2
    assert only(said) == (
        f"'{directory}' is not empty and is not a store (it has 'thesis.txt'); "
        "give an empty directory, a new one, or the directory of a store"
    )
    assert [entry.name for entry in directory.iterdir()] == ["thesis.txt"]


def test_a_file_in_the_place_of_the_directory_exits_with_2(directory: Path) -> None:
    directory.write_text("precious")
    code, said = refused("--data-dir", str(directory), "--listen", "127.0.0.1:0")
    assert (code, only(said)) == (
        2,
        f"'{directory}' is not a directory; give the one that holds the store, or a new one",
    )


def test_a_directory_that_cannot_be_made_exits_with_2(directory: Path) -> None:
    code, said = refused("--data-dir", "/proc/statehouse/store", "--listen", "127.0.0.1:0")
    assert code == 2
    assert only(said).startswith("the data directory '/proc/statehouse/store' cannot be used: ")


def test_a_full_disk_exits_with_5(directory: Path) -> None:
    code, said = refused(
        "--data-dir", str(directory), "--listen", "127.0.0.1:0", "--free-bytes-min", "999999GiB"
    )
    assert code == 5
    paragraphs = said.splitlines()
    assert paragraphs[-1].startswith("statehoused: the store could not be opened for writing: the disk of ")
    assert paragraphs[-1].endswith("free some space and writing goes on by itself")


def test_missing_commits_exit_with_6_and_the_way_out(directory: Path) -> None:
    cut(directory, commits=2)
    code, said = refused("--data-dir", str(directory), "--listen", "127.0.0.1:0")
    assert code == 6
    assert only(said) == (
        "2 acknowledged commits are missing: the log ends at commit_ts 1, but 3 was durable. "
        "Files were lost or damaged: restore a backup, or open with accept_data_loss=True "
        "(--accept-data-loss), which begins a new epoch"
    )


def test_a_store_of_a_newer_format_exits_with_6(directory: Path) -> None:
    with Statehouse(directory) as sh:
        sh.write("k", 1, agent_id="a")
    store = RocksStore.open(directory)
    store.write([(Table.META, layout.META_FORMAT, b"99")])
    store.close()
    code, said = refused("--data-dir", str(directory), "--listen", "127.0.0.1:0")
    assert (code, only(said)) == (
        6,
        "the store is of format 99; this Statehouse reads formats up to 1: use a newer one",
    )


def test_a_refusal_is_a_record_where_records_are_for_programs(directory: Path) -> None:
    directory.write_text("precious")
    code, said = refused("--data-dir", str(directory), "--listen", "127.0.0.1:0", "--log-format", "json")
    [line] = said.splitlines()
    record = json.loads(line)
    assert code == 2
    assert (record["level"], record["logger"]) == ("critical", "statehouse.daemon")
    assert record["message"].startswith(f"'{directory}' is not a directory; ")


def test_debugging_shows_where_a_refusal_came_from(directory: Path) -> None:
    directory.write_text("precious")
    _, said = refused("--data-dir", str(directory), "--listen", "127.0.0.1:0", "--log", "debug")
    assert "Traceback" in said
    assert "statehouse.errors.InvalidArgumentError" in said


@pytest.mark.parametrize("args", [("--help",), ("--version",), ("--memory", "--print-config")])
def test_asking_what_there_is_loads_neither_grpc_nor_rocksdb(args: tuple[str, ...]) -> None:
    program = (
        "import sys\n"
        "from statehouse.daemon import main\n"
        f"sys.argv = ['statehoused', *{args!r}]\n"
        "code = main()\n"
        "print(code, [name for name in ('grpc', 'rocksdict', 'asyncio') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 []"
    assert done.stderr == ""


def test_printing_the_settings_warns_of_variables_that_set_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATEHOUSE_DATADIR", "x")
    done = subprocess.run(
        [*COMMAND, "--print-config"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert only(done.stderr) == (
        "the variable STATEHOUSE_DATADIR sets nothing; did you mean STATEHOUSE_DATA_DIR?"
    )
    assert done.stdout.startswith("# The settings of statehoused ")


@pytest.mark.parametrize("args", [("--memory", "--print-config"), ("--help",)])
def test_a_reader_of_what_there_is_may_go_away(args: tuple[str, ...]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([*COMMAND, *args], stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")
