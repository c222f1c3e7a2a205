"""Addresses that a server listens on: how they are written, and whether they can be had.

::

    127.0.0.1:50051     an address of this machine and a port; port 0: any that is free
    [::1]:50051         the same, of IPv6
    localhost:50051     a name: every address it has
    unix:/run/sh.sock   a socket in the file system, for this machine only
"""

from __future__ import annotations

import errno
import os
import re
import socket
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from statehouse.errors import InvalidArgumentError

__all__ = ["Address", "Tcp", "Unix", "check_free", "parse_address", "resolve"]

_TCP: Final = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+(%\w+)?\]|[A-Za-z0-9._-]+):(?P<port>[0-9]{1,5})")
_IPV6_BARE: Final = re.compile("[0-9A-Fa-f:.%]*:[0-9A-Fa-f:.%]*:[0-9]+")
_UNIX_BYTES_MAX: Final = 107
"""What Linux has room for; other systems have about as much."""

_NO_SUCH_ADDRESS: Final = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})


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
        InvalidArgumentError: It is none; says how one is written.
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
        hint = f"every address of this machine is written 0.0.0.0:{found[1]}"
    elif _IPV6_BARE.fullmatch(text):
        hint = "write an address of IPv6 in brackets: [::1]:50051"
    raise InvalidArgumentError(f"{text!r:.200} is no address to listen on; {hint}")


def _parse_unix(text: str) -> Unix:
    # As URLs have it: unix:path, unix:/path and unix:///path.
    path = text.removeprefix("unix:")
    if path.startswith("//"):
        path = "/" + path.lstrip("/")
    if not path or "\0" in path or path.endswith("/"):
        raise InvalidArgumentError(f"{text!r:.200} names no socket; write unix:/PATH")
    size = len(os.fsencode(path))
    if size > _UNIX_BYTES_MAX:
        raise InvalidArgumentError(
            f"{text!r:.200} is too long for a socket: {size} bytes, of at most {_UNIX_BYTES_MAX}"
        )
    return Unix(Path(path))


def resolve(address: Tcp) -> list[str]:
    """Gives the numbers that a host stands for, each once.

    Raises:
        InvalidArgumentError: There are none.
    """
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise InvalidArgumentError(
            f"cannot listen on {address}: no address is known for {address.host!r} ({why})"
        ) from None
    return list(dict.fromkeys(str(place[0]) for _, _, _, _, place in found))


def check_free(address: Address) -> None:
    """Returns when an address can be listened on now.

    gRPC says only that it failed, takes a socket away from whoever listens on it, and is content with one of
    the addresses that a name stands for: so it is asked only for what is free.

    Raises:
        InvalidArgumentError: It cannot; with the detail ``in_use`` when another process has it.
    """
    if isinstance(address, Unix):
        _check_socket(address)
        return
    hosts = resolve(address)
    failures = [error for host in hosts if (error := _try(Tcp(host, address.port))) is not None]
    # That localhost is [::1] too is no fault of a machine without IPv6; that it is in use there is.
    grave = [error for error in failures if error.errno not in _NO_SUCH_ADDRESS]
    if grave or len(failures) == len(hosts):
        raise _not_free(address, (grave or failures)[0])


def _try(numbers: Tcp) -> OSError | None:
    """Why an address cannot be had; None if it can."""
    family = socket.AF_INET6 if ":" in numbers.host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as tried:
            if os.name != "nt":
                # As gRPC does: connections that were closed a moment ago do not hold the port then. Windows
                # would take it for leave to share the port.
                tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind(socket.getaddrinfo(numbers.host, numbers.port, family, socket.SOCK_STREAM)[0][4])
    except OSError as error:
        return error
    return None


def _not_free(address: Tcp, error: OSError) -> InvalidArgumentError:
    if error.errno == errno.EADDRINUSE:
        return InvalidArgumentError(
            f"{address} is in use by another process; stop that one, or listen on another port "
            "(0 takes any that is free)",
            in_use=True,
        )
    if error.errno == errno.EACCES:
        return InvalidArgumentError(
            f"cannot listen on {address}: {error.strerror}; ports below 1024 are for the superuser"
        )
    if error.errno in _NO_SUCH_ADDRESS:
        return InvalidArgumentError(f"cannot listen on {address}: this machine has no such address")
    return InvalidArgumentError(f"cannot listen on {address}: {error.strerror}")


def _check_socket(address: Unix) -> None:
    path = address.path
    if not hasattr(socket, "AF_UNIX"):
        raise InvalidArgumentError(f"cannot listen on {address}: this system has no such sockets")
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        if not path.parent.is_dir():
            raise InvalidArgumentError(
                f"cannot listen on {address}: there is no directory {str(path.parent)!r}; make it first"
            ) from None
        if not os.access(path.parent, os.W_OK | os.X_OK):
            raise InvalidArgumentError(
                f"cannot listen on {address}: no permission to write in {str(path.parent)!r}"
            ) from None
        return
    except OSError as error:
        raise InvalidArgumentError(f"cannot listen on {address}: {error.strerror}") from None
    if not stat.S_ISSOCK(mode):
        raise InvalidArgumentError(
            f"cannot listen on {address}: a file that is no socket is there; choose another path"
        )
    if _is_listened_on(path):
        raise InvalidArgumentError(
            f"{address} is in use by another process; stop that one, or choose another path", in_use=True
        )


def _is_listened_on(path: Path) -> bool:
    """Whether a process has a socket. If none has, it is what a killed one left, and gRPC replaces it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            # It did not refuse: too many wait to be taken, or it is not for us to ask.
            return True
    return True
