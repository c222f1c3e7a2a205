"""Addresses to listen on: how they are written, and what is said of those that are not free. Real sockets."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from statehouse.errors import InvalidArgumentError
from statehouse.rpc.addresses import Address, Tcp, Unix, check_free, parse_address

USUAL = "write HOST:PORT, such as 127.0.0.1:50051, or unix:/PATH"


@pytest.fixture
def taken() -> Iterator[int]:
    """A port of 127.0.0.1 on which somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Unix:
    """A socket that is not there yet; its name is short enough wherever the tests run."""
    monkeypatch.chdir(tmp_path)
    return Unix(Path("sock"))


def listening(place: Unix) -> socket.socket:
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(place.path))
    server.listen()
    return server


def refused(address: Address) -> InvalidArgumentError:
    with pytest.raises(InvalidArgumentError) as caught:
        check_free(address)
    return caught.value


@pytest.mark.parametrize(
    "text, address",
    [
        ("127.0.0.1:50051", Tcp("127.0.0.1", 50051)),
        ("localhost:0", Tcp("localhost", 0)),
        ("[::1]:65535", Tcp("::1", 65535)),
        ("unix:sock", Unix(Path("sock"))),
        ("unix:/run/x", Unix(Path("/run/x"))),
        ("unix:///run/x", Unix(Path("/run/x"))),
    ],
)
def test_an_address_is_parsed(text: str, address: Address) -> None:
    assert parse_address(text) == address
    assert parse_address(str(address)) == address


@pytest.mark.parametrize(
    "text, hint",
    [
        ("", USUAL),
        ("localhost", USUAL),
        ("127.0.0.1:65536", USUAL),
        ("127.0.0.1:-1", USUAL),
        ("127.0.0.1:\u0663", USUAL),
        ("http://x:1", USUAL),
        ("50051", "write a host too: 127.0.0.1:50051"),
        (":50051", "every address of this machine is written 0.0.0.0:50051"),
        ("*:50051", "every address of this machine is written 0.0.0.0:50051"),
        ("::1:50051", "write an address of IPv6 in brackets: [::1]:50051"),
    ],
)
def test_what_is_no_address_is_refused_with_how_to_write_it(text: str, hint: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
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
    with pytest.raises(InvalidArgumentError) as caught:
        parse_address(text)
    assert str(caught.value) == said


def test_the_longest_path_that_a_socket_can_have_is_taken() -> None:
    assert parse_address(f"unix:/{'x' * 106}") == Unix(Path("/" + "x" * 106))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "localhost", "0.0.0.0"])
def test_a_free_port_is_free(host: str) -> None:
    check_free(Tcp(host, 0))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_port_in_use_is_told_apart_and_named_with_what_to_do(host: str, taken: int) -> None:
    error = refused(Tcp(host, taken))
    assert error.message == (
        f"{host}:{taken} is in use by another process; stop that one, or listen on another port "
        "(0 takes any that is free)"
    )
    assert error.details == {"in_use": True}


def test_a_port_whose_connections_were_just_closed_is_free(taken: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)), server.accept()[0] as accepted:
            # The side that closes first is the one that waits.
            accepted.close()
    check_free(Tcp("127.0.0.1", port))


def test_an_address_of_another_machine_is_named() -> None:
    error = refused(Tcp("192.0.2.1", 0))
    assert error.message == "cannot listen on 192.0.2.1:0: this machine has no such address"
    assert error.details == {}


@pytest.mark.parametrize("host", ["nobody.invalid", "a" * 64 + ".x"])
def test_a_name_that_nobody_knows_is_named(host: str) -> None:
    assert refused(Tcp(host, 1)).message.startswith(
        f"cannot listen on {host}:1: no address is known for {host!r} ("
    )


def test_a_socket_that_is_not_there_is_free(place: Unix) -> None:
    check_free(place)


def test_a_socket_that_is_listened_on_is_told_apart(place: Unix) -> None:
    with listening(place):
        error = refused(place)
    assert error.message == "unix:sock is in use by another process; stop that one, or choose another path"
    assert error.details == {"in_use": True}


def test_a_socket_whose_listener_is_too_busy_to_take_anybody_is_in_use(place: Unix) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(place.path))
        server.listen(0)
        with socket.socket(socket.AF_UNIX) as first:
            first.connect(str(place.path))
            assert refused(place).details == {"in_use": True}


def test_a_socket_that_nobody_listens_on_is_free_and_left_to_grpc(place: Unix) -> None:
    listening(place).close()
    check_free(place)
    assert place.path.is_socket()


def test_a_file_in_the_place_of_a_socket_is_refused_and_left(place: Unix) -> None:
    place.path.write_text("precious")
    assert refused(place).message == (
        "cannot listen on unix:sock: a file that is no socket is there; choose another path"
    )
    assert place.path.read_text() == "precious"


def test_a_link_in_the_place_of_a_socket_is_refused(place: Unix) -> None:
    place.path.symlink_to("elsewhere")
    assert "a file that is no socket is there" in refused(place).message


def test_a_socket_in_no_directory_is_refused(place: Unix) -> None:
    assert refused(Unix(place.path / "sock")).message == (
        "cannot listen on unix:sock/sock: there is no directory 'sock'; make it first"
    )
