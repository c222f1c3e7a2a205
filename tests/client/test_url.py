"""What a URL means."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from statehouse import InvalidArgumentError, NotFoundError, Statehouse
from statehouse.client.url import Address, parse

BAD: list[Any] = [
    "",
    "x",
    "file:",
    "file://",
    "file://host/x",
    "file:a\0b",
    "host:0",
    "host:65536",
    "host:port",
]
BAD += ["memory:a/b", "memory:\n", "memory:" + "x" * 129, "http://host:1", "unix:", "statehouse://"]
BAD += ["unix:/dir/", "unix://host/x", "unix:/\ud800", "unix:/a\0", 7, b"file:x", ["x"]]


@pytest.mark.parametrize(
    "url", ["file:data", "file:./data", "file:sub/../data", Path("data"), Path("./data")]
)
def test_spellings_of_one_directory_are_one_address(
    url: str | Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    address = parse(url)
    assert (address.kind, address.where) == ("file", str((tmp_path / "data").resolve()))


def test_a_link_to_a_directory_is_that_directory(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert parse(tmp_path / "link").where == parse(tmp_path / "real").where


@pytest.mark.parametrize("name", ["plain", "with space", "per%20cent", "ümlaut"])
def test_a_path_as_a_uri_comes_back(name: str, tmp_path: Path) -> None:
    assert parse((tmp_path / name).as_uri()).where == str((tmp_path / name).resolve())


def test_localhost_is_this_machine(tmp_path: Path) -> None:
    assert parse(f"file://localhost{tmp_path}").where == str(tmp_path.resolve())


def test_a_home_directory_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert parse("file:~/data").where == str((tmp_path / "data").resolve())


@pytest.mark.parametrize("url,where", [("memory:", ""), ("memory:shared", "shared"), ("memory:7", "7")])
def test_memory(url: str, where: str) -> None:
    assert parse(url) == Address("memory", where, url)


@pytest.mark.parametrize(
    "url,where",
    [
        ("localhost:50051", "localhost:50051"),
        ("statehouse://db.example:7", "db.example:7"),
        ("statehouse://db.example:7/", "db.example:7"),
        ("statehouse://db.example", "db.example:50051"),
        ("[::1]:50051", "[::1]:50051"),
        ("unix:/run/statehouse.sock", "unix:/run/statehouse.sock"),
        ("unix:///run/statehouse.sock", "unix:/run/statehouse.sock"),
        ("unix:/run/../run/a%20b?c#d", "unix:/run/a%20b?c#d"),
        (f"unix:/{'é' * 53}", f"unix:/{'é' * 53}"),
    ],
)
def test_daemons(url: str, where: str) -> None:
    assert parse(url) == Address("remote", where, url)


@pytest.mark.parametrize(
    "url", ["run.shrun", "./run.shrun", "file:run.shrun", "sub/run.shrun", Path("run.shrun")]
)
def test_an_exported_run_is_known_by_its_ending(url: str | Path) -> None:
    address = parse(url)
    assert address.kind == "export"
    assert address.where.endswith("run.shrun")


@pytest.mark.parametrize("head,kind", [(b"\x1f\x8b\x08", "export"), (b"{", "file"), (b"", "file")])
def test_an_exported_run_is_known_by_how_it_begins(head: bytes, kind: str, tmp_path: Path) -> None:
    (tmp_path / "report").write_bytes(head)
    assert parse(f"file:{tmp_path / 'report'}").kind == kind


def test_a_directory_is_no_exported_run(tmp_path: Path) -> None:
    (tmp_path / "store.shrun").mkdir()
    assert parse(tmp_path / "store.shrun").kind == "file"


def test_a_socket_is_no_exported_run() -> None:
    assert parse("unix:/run.shrun").kind == "remote"


def test_a_relative_socket_is_where_it_was_when_the_url_was_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse("unix:./s").where == parse("unix:s").where == f"unix:{Path.cwd()}/s"


def test_a_socket_whose_path_is_too_long_for_the_system_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match=r"at most 107 bytes.* has 108"):
        parse(f"unix:/{'x' * 107}")


def test_no_url_is_the_environment_or_the_local_daemon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATEHOUSE_URL", "memory:env")
    assert parse(None).where == "env"
    for nothing in ("", None):
        if nothing is None:
            monkeypatch.delenv("STATEHOUSE_URL")
        else:
            monkeypatch.setenv("STATEHOUSE_URL", nothing)
        assert parse(None).where == "localhost:50051"


@pytest.mark.parametrize("url", BAD)
def test_anything_else_is_refused(url: Any) -> None:
    with pytest.raises(InvalidArgumentError):
        parse(url)


def test_a_bare_path_is_told_what_to_write() -> None:
    with pytest.raises(InvalidArgumentError, match=r"did you mean file:\./data \?"):
        parse("./data")


@pytest.mark.parametrize(
    "url, meant",
    [
        ("localhost", "localhost:50051"),
        ("db.example", "db.example:50051"),
        ("[::1]", "[::1]:50051"),
        ("there", "file:./there"),
        ("there.d", "file:./there.d"),
        ("sub/there", "file:./sub/there"),
        ("nowhere", "file:./nowhere or nowhere:50051"),
    ],
)
def test_a_name_without_a_scheme_is_told_what_it_may_be(
    url: str, meant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for directory in ("there", "there.d"):
        (tmp_path / directory).mkdir()
    with pytest.raises(InvalidArgumentError) as caught:
        parse(url)
    assert caught.value.message.endswith(f"; did you mean {meant} ?")


@pytest.mark.parametrize(
    "url", ["localhost:0", "localhost:65536", "localhost:99999", "statehouse://host:70000"]
)
def test_a_port_that_is_none_is_told_which_are(url: str) -> None:
    with pytest.raises(InvalidArgumentError, match="a port is a number from 1 to 65535"):
        parse(url)


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InvalidArgumentError, match="not a directory"):
        Statehouse(tmp_path / "file")


def test_reading_only_needs_a_directory_that_is_there(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no store"):
        Statehouse(tmp_path / "none", read_only=True)
    assert not (tmp_path / "none").exists()
