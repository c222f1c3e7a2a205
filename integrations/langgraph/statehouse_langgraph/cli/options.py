"""What all commands share: their options, and the saver they work on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from statehouse import ConnectionError, DirectoryLockedError, NotFoundError, Statehouse
from statehouse_langgraph.cli.exits import Exit, Refusal

if TYPE_CHECKING:
    from langgraph.checkpoint.serde.base import SerializerProtocol

    from statehouse_langgraph.saver.saver import StatehouseSaver

DEFAULT_NAMESPACE = "langgraph"


@dataclass(slots=True)
class Settings:
    """What the shared options say; filled while the command line is parsed.

    Attributes:
        url: The store; None for ``$STATEHOUSE_URL``, or else the daemon of this machine.
        namespace: The Statehouse namespace of the threads.
        timeout: Seconds a commit may take, and the answer of a daemon.
        connect_timeout: Seconds to wait for a daemon that is not there.
        json: Whether output is JSON.
        color: Whether a terminal gets colours.
    """

    url: str | None = None
    namespace: str = DEFAULT_NAMESPACE
    timeout: float = 30.0
    connect_timeout: float = 1.0
    json: bool = False
    color: bool = True


def _set(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    settings: Settings = ctx.find_root().ensure_object(Settings)
    if param.name == "no_color":
        settings.color = settings.color and not value
    elif param.name == "json":
        settings.json = settings.json or bool(value)
    elif value is not None:
        setattr(settings, str(param.name), value)


def shared_options() -> list[click.Parameter]:
    """Gives the options that the program and every command take."""

    def option(*names: str, **facts: Any) -> click.Option:
        return click.Option(names, expose_value=False, callback=_set, **facts)

    return [
        option(
            "--url",
            metavar="URL",
            help="The store: file:./directory, or a daemon's HOST:PORT or unix:/path. Default: "
            "$STATEHOUSE_URL, or else localhost:50051.",
        ),
        option("--namespace", "-n", metavar="NAME", help="The namespace of the saver. Default: langgraph."),
        option(
            "--timeout",
            type=float,
            metavar="SECONDS",
            help="How long a commit may take, and the answer of a daemon. Default: 30.",
        ),
        option(
            "--connect-timeout",
            type=float,
            metavar="SECONDS",
            help="How long to wait for a daemon that is not there. Default: 1.",
        ),
        option("--json", is_flag=True, help="Print JSON: a document, or a line for each row."),
        option("--no-color", is_flag=True, help="No colours; NO_COLOR=1 says so too."),
    ]


class Command(click.Command):
    """A command with the shared options."""

    def __init__(self, *args: Any, **facts: Any) -> None:
        super().__init__(*args, **facts)
        self.params += shared_options()


@contextmanager
def reading(settings: Settings) -> Iterator[StatehouseSaver]:
    """Opens the store to look at it: a directory may be open in another process meanwhile.

    Raises:
        Refusal: There is no store.
        StatehouseError: It cannot be opened.
    """
    from statehouse_langgraph.cli.legible import LegibleSerializer  # noqa: PLC0415 - LangGraph takes a second

    is_file = _is_file(settings.url)
    try:
        with _opened(settings, LegibleSerializer(), read_only=True if is_file else None) as saver:
            yield saver
    except NotFoundError as error:
        if is_file and "store" in error.message:
            raise Refusal(
                f"{error.message.partition(';')[0]}; is --url (or STATEHOUSE_URL) right?", Exit.UNAVAILABLE
            ) from None
        raise


@contextmanager
def writing(settings: Settings, serde: SerializerProtocol) -> Iterator[StatehouseSaver]:
    """Opens the store to write to it; makes one in a directory that has none.

    Raises:
        Refusal: Another process has the directory.
        StatehouseError: It cannot be opened.
    """
    try:
        with _opened(settings, serde) as saver:
            yield saver
    except DirectoryLockedError as error:
        raise Refusal(error.message, Exit.UNAVAILABLE) from None


@contextmanager
def _opened(
    settings: Settings, serde: SerializerProtocol, *, read_only: bool | None = None
) -> Iterator[StatehouseSaver]:
    from statehouse_langgraph.saver.saver import StatehouseSaver  # noqa: PLC0415 - LangGraph takes a second

    with Statehouse(
        settings.url,
        timeout=settings.timeout,
        read_only=read_only,
        connect_timeout=settings.connect_timeout,
    ) as client:
        try:
            yield StatehouseSaver(client, namespace=settings.namespace, serde=serde)
        except ConnectionError as error:
            if _said(settings.url):
                raise
            raise Refusal(
                f"{error.message} (neither --url nor STATEHOUSE_URL says which store, so the daemon of this "
                "machine was asked)",
                Exit.UNAVAILABLE,
            ) from None


def _said(url: str | None) -> str:
    return url or os.environ.get("STATEHOUSE_URL", "")


def _is_file(url: str | None) -> bool:
    return _said(url).startswith("file:")
