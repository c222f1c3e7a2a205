"""On which side of the wire spans are made, and what they are called there."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from statehouse.errors import StatehouseError
from statehouse.protocol.requests import Health, LocateTime, Request, Status, Version
from statehouse.tracing import attributes as names

Attributes = Mapping[str, str | int]

QUIET: Final = frozenset({Health, LocateTime, Status, Version})
"""Requests that are asked by the machinery, again and again, and make no spans."""


@dataclass(frozen=True, slots=True)
class Side:
    """How one side speaks of requests.

    Attributes:
        server: Whether it answers; else it asks.
        begun: The span's name, and attributes, for a kind of request.
        ended: The attributes that say how a request ended; None for well.
        is_fault: Whether an error makes a span a failed one. All have ``error.type``.
    """

    server: bool
    begun: Callable[[type[Request[Any]]], tuple[str, Attributes]]
    ended: Callable[[BaseException | None], Attributes]
    is_fault: Callable[[BaseException], bool] = field(default=lambda _: True)


def asking(address: str = "", port: int | None = None) -> Side:
    """Gives the side of whoever asks: a database's client.

    Args:
        address: The daemon's host, or the path of its socket; empty for a store in this process.
        port: Its port.
    """
    fixed: dict[str, str | int] = {names.DB_SYSTEM_NAME: "statehouse"}
    if address:
        fixed[names.SERVER_ADDRESS] = address
    if port is not None:
        fixed[names.SERVER_PORT] = port

    def begun(kind: type[Request[Any]]) -> tuple[str, Attributes]:
        operation = operation_of(kind)
        return operation, {**fixed, names.DB_OPERATION_NAME: operation}

    return Side(server=False, begun=begun, ended=_code)


def _code(error: BaseException | None) -> Attributes:
    return {names.DB_RESPONSE_STATUS_CODE: error.code} if isinstance(error, StatehouseError) else {}


def operation_of(kind: type[Request[Any]]) -> str:
    """Gives the name of a kind of request as databases call it: ``get_many``."""
    return re.sub("(?<!^)(?=[A-Z])", "_", kind.__name__).lower()
