"""Where a server listens."""

from __future__ import annotations

import errno
import socket
import stat
from pathlib import Path
from typing import Any, Final

from statehouse.errors import InvalidArgumentError

_UNIX: Final = "unix:"


def bind(server: Any, address: str) -> str:
    """Has a gRPC server listen at an address, and gives it with the port that it got.

    gRPC says only that it failed, takes a Unix socket away from whoever has it, and is content with one of
    the addresses that a name stands for: so it is asked only for what is free.

    Raises:
        InvalidArgumentError: It makes no sense, is in use, or is not ours to have.
    """
    if address.startswith(_UNIX):
        _check_socket(address, Path(address.removeprefix(_UNIX)))
    else:
        host, port = _parts(address)
        _check_port(address, host, port)
    try:
        bound = server.add_insecure_port(address)
    except RuntimeError as error:
        raise InvalidArgumentError(f"cannot listen on {address}: {error}") from None
    if address.startswith(_UNIX):
        return address
    return f"{address.rpartition(':')[0]}:{bound}"


def _parts(address: str) -> tuple[str, int]:
    host, colon, port = address.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    if (
        not colon
        or not bare
        or (":" in bare) != host.startswith("[")
        or not port.isascii()
        or not port.isdecimal()
    ):
        raise InvalidArgumentError(
            f"{address!r:.200} is not an address to listen on: say host:port, as 127.0.0.1:50051 or "
            "[::1]:50051, or unix:/path"
        )
    if int(port) > 65535:
        raise InvalidArgumentError(f"the port of {address} must be 0 to 65535")
    return bare, int(port)


def _check_port(address: str, host: str, port: int) -> None:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise InvalidArgumentError(f"cannot listen on {address}: {error}") from None
    for family, kind, protocol, _, place in found:
        try:
            with socket.socket(family, kind, protocol) as tried:
                # As gRPC does; connections that were closed a moment ago do not hold the port then.
                tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    tried.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                tried.bind(place)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise InvalidArgumentError(
                    f"cannot listen on {address}: the port is in use, by another statehoused maybe; stop "
                    "that, or choose another port (0 takes any that is free)"
                ) from None
            if error.errno == errno.EACCES:
                raise InvalidArgumentError(
                    f"cannot listen on {address}: ports below 1024 need privileges; choose another port"
                ) from None


def _check_socket(address: str, path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        if path.parent.is_dir():
            return
        raise InvalidArgumentError(
            f"cannot listen on {address}: there is no directory {path.parent}"
        ) from None
    except OSError as error:
        raise InvalidArgumentError(f"cannot listen on {address}: {error}") from None
    if not stat.S_ISSOCK(mode):
        raise InvalidArgumentError(f"cannot listen on {address}: {path} exists, and is no socket")
    with socket.socket(socket.AF_UNIX) as tried:
        try:
            tried.connect(str(path))
        except OSError:
            return  # of a process that is gone
    raise InvalidArgumentError(
        f"cannot listen on {address}: a process listens there, another statehoused maybe; stop that, or "
        "choose another path"
    )
