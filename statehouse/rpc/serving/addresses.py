"""Has a gRPC server listen."""

from __future__ import annotations

from typing import Any

from statehouse.errors import InvalidArgumentError
from statehouse.rpc.addresses import Tcp, check_free, parse_address


def bind(server: Any, address: str) -> str:
    """Has a gRPC server listen at an address, and gives it with the port that it got.

    Raises:
        InvalidArgumentError: It makes no sense, is in use, or is not ours to have.
    """
    parsed = parse_address(address)
    check_free(parsed)
    try:
        # gRPC takes the path of a socket for a part of a URI, and what begins with % for a character.
        uri = str(parsed) if isinstance(parsed, Tcp) else str(parsed).replace("%", "%25")
        port = server.add_insecure_port(uri)
    except RuntimeError as error:
        raise InvalidArgumentError(f"cannot listen on {parsed}: {error}") from None
    return str(Tcp(parsed.host, port) if isinstance(parsed, Tcp) else parsed)
