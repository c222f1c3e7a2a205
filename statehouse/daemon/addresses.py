"""Where the daemon may listen.

What travels is neither encrypted nor authenticated yet, so an address must be private, which means that only
this machine can reach it, unless the operator says that others are meant.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from statehouse.errors import InvalidArgumentError
from statehouse.programs.exits import Exit, Refusal
from statehouse.rpc.addresses import Address, Tcp, check_free, resolve

__all__ = ["require_listenable"]


def require_listenable(addresses: Iterable[Address], *, insecure: bool) -> None:
    """Returns when all addresses may be listened on, and can be now.

    Args:
        addresses: As configured.
        insecure: Whether addresses that other machines can reach are meant.

    Raises:
        Refusal: One is not private, is in use, or is not this machine's.
    """
    for address in addresses:
        try:
            if isinstance(address, Tcp) and not insecure:
                _require_private(address)
            check_free(address)
        except InvalidArgumentError as error:
            in_use = error.details.get("in_use")
            raise Refusal(error.message, Exit.UNAVAILABLE if in_use else Exit.USAGE) from None


def _require_private(address: Tcp) -> None:
    public = [host for host in resolve(address) if not _is_private(host)]
    if public:
        at = "" if public == [address.host] else f" (which is {public[0]})"
        raise InvalidArgumentError(
            f"{address}{at} can be reached from other machines, and what travels is neither encrypted nor "
            "authenticated yet. Listen on 127.0.0.1 or on unix:/PATH, or add --insecure if the network "
            "keeps strangers out"
        )


def _is_private(host: str) -> bool:
    ip = ipaddress.ip_address(host.partition("%")[0])
    mapped = getattr(ip, "ipv4_mapped", None)
    return bool((mapped or ip).is_loopback)
