"""What may be listened on, and what is said of the rest. Real sockets, on ports that are free."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from statehouse.daemon.addresses import Address, Tcp, Unix, listenable, parse_address, remove_stale
from statehouse.programs.exits import Exit, Refusal


@pytest.fixture
def taken() -> Iterator[int]:
    """A port of 127.0.0.1 on which somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A socket's path; short enough wherever the tests run."""
    monkeypatch.chdir(tmp_path)
    return tmp_path / "sock"


def listening(path: Path) -> socket.socket:
    server = socket.socket(socket.AF_UNIX)
    # Bound by its short name: a path in a temporary directory may be too long for a socket.
    server.bind(path.name)
    server.listen()
    return server


def refused(*addresses: Address, insecure: bool = False) -> tuple[str, Exit]:
    with pytest.raises(Refusal) as caught:
        listenable(addresses, insecure=insecure)
    return str(caught.value), caught.value.code


@pytest.mark.parametrize(
    "text, address",
    [
        ("127.0.0.1:50051", Tcp("127.0.0.1", 50051)),
        ("localhost:0", Tcp("localhost", 0)),
        ("[::1]:65535", Tcp("::1", 65535)),
        ("unix:/run/x", Unix(Path("/run/x"))),
        ("unix:///run/x", Unix(Path("/run/x"))),
    ],
)
def test_an_address_is_parsed(text: str, address: Address) -> None:
    assert parse_address(text) == address
    assert parse_address(str(address)) == address


def test_a_relative_socket_is_made_absolute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    assert parse_address("unix:x") == Unix(Path("/x"))


@pytest.mark.parametrize(
    "text, hint",
    [
        ("", "write HOST:PORT, such as 127.0.0.1:50051, or unix:/PATH"),
        ("localhost", "write HOST:PORT, such as 127.0.0.1:50051, or unix:/PATH"),
        ("127.0.0.1:65536", "write HOST:PORT, such as 127.0.0.1:50051, or unix:/PATH"),
        ("127.0.0.1:-1", "write HOST:PORT, such as 127.0.0.1:50051, or unix:/PATH"),
        ("http://x:1", "write HOST:PORT, such as 127.0.0.1:50051, or unix:/PATH"),
        ("50051", "write a host too: 127.0.0.1:50051"),
        (":50051", "for every address of this machine write 0.0.0.0:50051, with --insecure"),
        ("*:50051", "for every address of this machine write 0.0.0.0:50051, with --insecure"),
        ("::1:50051", "write an address of IPv6 in brackets: [::1]:50051"),
    ],
)
def test_what_is_no_address_is_refused_with_how_to_write_it(text: str, hint: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the text is compared whole
        parse_address(text)
    assert str(caught.value) == f"{text!r} is no address to listen on; {hint}"


@pytest.mark.parametrize(
    "text, said",
    [
        ("unix:", "'unix:' names no socket; write unix:/PATH"),
        ("unix:/x/", "'unix:/x/' names no socket; write unix:/PATH"),
        (f"unix:/{'x' * 107}", f"'unix:/{'x' * 107}' is too long for a socket: 108 bytes, of at most 107"),
    ],
)
def test_what_is_no_socket_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the text is compared whole
        parse_address(text)
    assert str(caught.value) == said


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3"])
def test_this_machine_may_be_listened_on(host: str) -> None:
    assert listenable([Tcp(host, 0)], insecure=False) == (Tcp(host, 0),)


def test_a_name_is_listened_on_by_its_numbers() -> None:
    assert listenable([Tcp("localhost", 0)], insecure=False) == (Tcp("127.0.0.1", 0),)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "192.0.2.1", "::ffff:10.0.0.1", "fe80::1"])
def test_an_address_that_others_can_reach_is_refused(host: str) -> None:
    said, code = refused(Tcp(host, 50051))
    assert said == (
        f"{Tcp(host, 50051)} can be reached from other machines, and what travels is neither encrypted nor "
        "authenticated yet. Listen on 127.0.0.1 or on unix:/PATH, or add --insecure if the network keeps "
        "strangers out"
    )
    assert code is Exit.USAGE


def test_one_address_that_others_can_reach_is_enough_to_refuse_all() -> None:
    said, _ = refused(Tcp("127.0.0.1", 0), Tcp("0.0.0.0", 0))
    assert said.startswith("0.0.0.0:0 can be reached")


def test_an_address_that_others_can_reach_is_listened_on_when_that_is_meant() -> None:
    assert listenable([Tcp("0.0.0.0", 0)], insecure=True) == (Tcp("0.0.0.0", 0),)


def test_a_name_that_nobody_knows_is_refused() -> None:
    said, code = refused(Tcp("nobody.invalid", 1))
    assert said.startswith("'nobody.invalid' cannot be listened on: no address is known for it (")
    assert code is Exit.USAGE


def test_a_name_that_cannot_be_one_is_refused() -> None:
    said, code = refused(Tcp("a" * 64 + ".x", 1))
    assert said.startswith(f"'{'a' * 64}.x' cannot be listened on: no address is known for it (")
    assert code is Exit.USAGE


def test_a_port_in_use_is_named_with_what_to_do(taken: int) -> None:
    said, code = refused(Tcp("127.0.0.1", taken))
    assert said == (
        f"127.0.0.1:{taken} is in use by another process; stop that one, or listen on another port "
        "(--listen 127.0.0.1:0 takes any that is free)"
    )
    assert code is Exit.UNAVAILABLE


def test_a_name_one_of_whose_addresses_is_in_use_is_refused(taken: int) -> None:
    said, _ = refused(Tcp("localhost", taken))
    assert said.startswith(f"localhost:{taken} is in use by another process")


def test_an_address_of_another_machine_is_named() -> None:
    said, code = refused(Tcp("192.0.2.1", 0), insecure=True)
    assert said == "192.0.2.1:0 cannot be listened on: this machine has no such address"
    assert code is Exit.UNAVAILABLE


def test_a_new_socket_may_be_listened_on(place: Path) -> None:
    assert listenable([Unix(place)], insecure=False) == (Unix(place),)


def test_a_socket_that_is_listened_on_is_refused_and_left(place: Path) -> None:
    with listening(place):
        said, code = refused(Unix(place))
        assert said == f"unix:{place} is in use by another process; stop that one, or choose another path"
        assert code is Exit.UNAVAILABLE
        assert list(remove_stale([Unix(place)])) == []
        assert place.is_socket()


def test_a_socket_that_nobody_listens_on_is_removed(place: Path) -> None:
    listening(place).close()
    assert listenable([Unix(place)], insecure=False) == (Unix(place),)
    assert place.is_socket(), "nothing is removed before the store is open"
    assert list(remove_stale([Unix(place), Tcp("127.0.0.1", 0)])) == [Unix(place)]
    assert not place.exists()


def test_a_file_in_the_place_of_a_socket_is_refused_and_left(place: Path) -> None:
    place.write_text("precious")
    said, code = refused(Unix(place))
    assert said == (
        f"unix:{place} cannot be listened on: a file that is no socket is there; choose another path"
    )
    assert code is Exit.USAGE
    assert list(remove_stale([Unix(place)])) == []
    assert place.read_text() == "precious"


def test_a_link_in_the_place_of_a_socket_is_refused(place: Path) -> None:
    place.symlink_to("elsewhere")
    said, _ = refused(Unix(place))
    assert said.endswith("a file that is no socket is there; choose another path")


def test_a_socket_in_no_directory_is_refused(place: Path) -> None:
    said, code = refused(Unix(place / "sock"))
    assert said == (
        f"unix:{place}/sock cannot be listened on: there is no directory {str(place)!r}; make it first"
    )
    assert code is Exit.USAGE
