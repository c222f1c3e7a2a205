"""Where the daemon listens: how addresses are written, which are private, and whether they can be had.

::

    127.0.0.1:50051     an address of this machine and a port; port 0: any that is free
    [::1]:50051         the same, of IPv6
    localhost:50051     a name: every address it has
    unix:/run/sh.sock   a socket in the file system, for this machine only

An address is private when only this machine can reach it. Names are resolved here, once, and the server is
given numbers: what was found to be private is what is listened on.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import re
import socket
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from statehouse.programs.exits import Exit, Refusal

__all__ = ["Address", "Tcp", "Unix", "listenable", "parse_address", "remove_stale"]

_TCP: Final = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+(%\w+)?\]|[A-Za-z0-9._-]+):(?P<port>[0-9]{1,5})")
_UNIX_BYTES_MAX: Final = 107
"""What Linux has room for; other systems have about as much."""

_PROBE_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Tcp:
    """A host, which is a name or numbers (without brackets), and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Unix:
    """A socket in the file system."""

    path: Path

    def __str__(self) -> str:
        return f"unix:{self.path}"


Address = Tcp | Unix


def parse_address(text: str) -> Address:
    """Gives the address that a text means.

    Raises:
        ValueError: It is none; says how one is written.
    """
    if text.startswith("unix:"):
        return _parse_unix(text)
    found = _TCP.fullmatch(text)
    if found is not None and int(found["port"]) <= 65535:
        return Tcp(found["host"].strip("[]"), int(found["port"]))
    hint = "write HOST:PORT, such as 127.0.0.1:50051, or unix:/PATH"
    if re.fullmatch("[0-9]{1,5}", text):
        hint = f"write a host too: 127.0.0.1:{text}"
    elif found := re.fullmatch(r"\*?:([0-9]{1,5})", text):
        hint = f"for every address of this machine write 0.0.0.0:{found[1]}, with --insecure"
    elif re.fullmatch("[0-9A-Fa-f:.%]*:[0-9A-Fa-f:.%]*:[0-9]+", text):
        hint = "write an address of IPv6 in brackets: [::1]:50051"
    raise ValueError(f"{text!r:.80} is no address to listen on; {hint}")


def _parse_unix(text: str) -> Unix:
    # As URLs have it: unix:path, unix:/path and unix:///path.
    path = text.removeprefix("unix:")
    if path.startswith("//"):
        path = "/" + path.lstrip("/")
    if not path or "\0" in path or path.endswith("/"):
        raise ValueError(f"{text!r:.80} names no socket; write unix:/PATH")
    whole = os.fsencode(Path(path).absolute())
    if len(whole) > _UNIX_BYTES_MAX:
        raise ValueError(
            f"{text!r:.200} is too long for a socket: {len(whole)} bytes, of at most {_UNIX_BYTES_MAX}"
        )
    return Unix(Path(path).absolute())


def listenable(addresses: Iterable[Address], *, insecure: bool) -> tuple[Address, ...]:
    """Gives what the server is to listen on: names as numbers, each of which can be had now.

    Args:
        addresses: As configured.
        insecure: Whether addresses that other machines can reach are meant.

    Raises:
        Refusal: An address is not private, is in use, or is not this machine's.
    """
    return tuple(
        ready
        for address in addresses
        for ready in (_listenable_unix(address) if isinstance(address, Unix) else _numbers(address, insecure))
    )


def _numbers(address: Tcp, insecure: bool) -> Iterator[Tcp]:
    resolved = _resolve(address)
    public = [host for host in resolved if not _is_private(host)]
    if public and not insecure:
        at = "" if public == [address.host] else f" (which is {public[0]})"
        raise Refusal(
            f"{address}{at} can be reached from other machines, and what travels is neither encrypted nor "
            "authenticated yet. Listen on 127.0.0.1 or on unix:/PATH, or add --insecure if the network "
            "keeps strangers out",
            Exit.USAGE,
        )
    if address.port == 0:
        # Each of them would get another port.
        resolved = resolved[:1]
    errors = []
    for host in resolved:
        numbers = Tcp(host, address.port)
        error = _probe(numbers)
        if error is None:
            yield numbers
        else:
            errors.append(error)
    # That localhost is [::1] too is no fault of a machine without IPv6; that it is in use there is.
    for error in errors:
        if error.errno not in _NO_SUCH_ADDRESS or len(errors) == len(resolved):
            raise Refusal(_why_not(address, error), Exit.UNAVAILABLE)


def _resolve(address: Tcp) -> list[str]:
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise Refusal(
            f"{address.host!r} cannot be listened on: no address is known for it ({why})", Exit.USAGE
        ) from None
    hosts = [str(sockaddr[0]) for _, _, _, _, sockaddr in found]
    # IPv4 first: it is what a port of nobody's choice is taken from.
    return sorted(dict.fromkeys(hosts), key=lambda host: ":" in host)


def _is_private(host: str) -> bool:
    ip = ipaddress.ip_address(host.partition("%")[0])
    mapped = getattr(ip, "ipv4_mapped", None)
    return bool((mapped or ip).is_loopback)


def _probe(numbers: Tcp) -> OSError | None:
    """Why an address cannot be had; None if it can."""
    family = socket.AF_INET6 if ":" in numbers.host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            if os.name != "nt":
                # As the server does; there it would mean to share the port.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(socket.getaddrinfo(numbers.host, numbers.port, family, socket.SOCK_STREAM)[0][4])
    except OSError as error:
        return error
    return None


_NO_SUCH_ADDRESS: Final = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})


def _why_not(address: Tcp, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        other = Tcp(address.host, 0)
        return (
            f"{address} is in use by another process; stop that one, or listen on another port "
            f"(--listen {other} takes any that is free)"
        )
    if error.errno == errno.EACCES:
        return f"{address} cannot be listened on: {error.strerror}; ports below 1024 are for the superuser"
    if error.errno in _NO_SUCH_ADDRESS:
        return f"{address} cannot be listened on: this machine has no such address"
    return f"{address} cannot be listened on: {error.strerror}"


def _listenable_unix(address: Unix) -> Iterator[Unix]:
    path = address.path
    if not hasattr(socket, "AF_UNIX"):
        raise Refusal(f"{address} cannot be listened on: this system has no such sockets", Exit.USAGE)
    parent = path.parent
    if not parent.is_dir():
        raise Refusal(
            f"{address} cannot be listened on: there is no directory {str(parent)!r}; make it first",
            Exit.USAGE,
        )
    if not os.access(parent, os.W_OK | os.X_OK):
        raise Refusal(f"{address} cannot be listened on: no permission to write in its directory", Exit.USAGE)
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        yield address
        return
    if not stat.S_ISSOCK(mode):
        raise Refusal(
            f"{address} cannot be listened on: a file that is no socket is there; choose another path",
            Exit.USAGE,
        )
    if _is_listened_on(path):
        raise Refusal(
            f"{address} is in use by another process; stop that one, or choose another path", Exit.UNAVAILABLE
        )
    yield address


def remove_stale(addresses: Iterable[Address]) -> Iterator[Unix]:
    """Removes socket files on which nobody listens (whoever did was killed), and gives each."""
    for address in addresses:
        if isinstance(address, Unix) and address.path.is_socket() and not _is_listened_on(address.path):
            address.path.unlink(missing_ok=True)
            yield address


def _is_listened_on(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_PROBE_S)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            # It did not refuse: too many wait to be taken, or it is not for us to ask.
            return True
    return True
