"""Where the daemon may listen."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from statehouse.daemon.addresses import require_listenable
from statehouse.programs.exits import Exit, Refusal
from statehouse.rpc.addresses import Address, Tcp, Unix


def refused(*addresses: Address, insecure: bool = False) -> tuple[str, Exit]:
    with pytest.raises(Refusal) as caught:
        require_listenable(addresses, insecure=insecure)
    return str(caught.value), caught.value.code


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "localhost"])
def test_this_machine_may_be_listened_on(host: str) -> None:
    require_listenable([Tcp(host, 0)], insecure=False)


def test_a_socket_may_be_listened_on(tmp_path: Path) -> None:
    require_listenable([Unix(tmp_path / "sock")], insecure=False)


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
    require_listenable([Tcp("0.0.0.0", 0)], insecure=True)


def test_what_is_in_use_is_unavailable_and_what_there_is_not_is_a_mistake() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        _, code = refused(Tcp("127.0.0.1", server.getsockname()[1]))
    assert code is Exit.UNAVAILABLE
    _, code = refused(Tcp("192.0.2.1", 0), insecure=True)
    assert code is Exit.USAGE
