"""The store that a command works on, for reading or for writing.

A directory is read as a RocksDB secondary, whether or not another process has it open: a command that only
looks must not be in the way of an agent that starts at that moment, and must change nothing. What opening
it for writing would have noticed (commits that are missing) is said on stderr instead.

A daemon is asked; without a URL, the one of this machine. An exported run is read out of its file.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from statehouse.cli.show import note
from statehouse.client.url import DEFAULT_URL
from statehouse.errors import ConnectionError, DirectoryLockedError, NotFoundError
from statehouse.programs.exits import Exit, Refusal
from statehouse.protocol.names import DEFAULT_NAMESPACE

if TYPE_CHECKING:
    from statehouse import Statehouse
    from statehouse.cli.command import Settings
    from statehouse.client.url import Address
    from statehouse.engine.marks import Mark
    from statehouse.protocol.replies import StoreStatus

__all__ = ["Reader", "names_daemon", "reading", "shown_holder", "writing"]


class Reader:
    """A store that is open to be read.

    Attributes: sh: The handle. holder: Who else has the directory open: ``pid``, ``command``, ``host``,
        ``started_at``; empty if nobody. losses: What is missing of what was acknowledged, in words; empty
        in a healthy store. daemon: Its URL, if a daemon is asked; else empty.
    """

    def __init__(
        self, sh: Statehouse, holder: dict[str, Any], losses: tuple[str, ...], daemon: str = ""
    ) -> None:
        self.sh = sh
        self.holder = holder
        self.losses = losses
        self.daemon = daemon


@contextmanager
def reading(settings: Settings) -> Iterator[Reader]:
    """Opens the store to read it, and closes it.

    Raises:
        Refusal: There is no store.
        StatehouseError: It cannot be opened.
    """
    address = _address(settings)
    if address.kind == "export":
        with _exported(settings, address) as sh:
            yield Reader(sh, {}, ())
        return
    holder: dict[str, Any] = {}
    read_only: bool | None = None
    mark: Mark | None = None
    if address.kind == "file":
        _require_store(address)
        holder, mark = _look(Path(address.where))
        # A program may call the command line on what it has open itself: then that is shared.
        read_only = None if holder.get("pid") == os.getpid() else True
        if holder and read_only:
            note(f"{shown_holder(holder)} has the store open; this reads what it has committed so far")
    with _opened(settings, address, read_only=read_only) as sh:
        # Who holds it has looked when it opened it; and of what it writes now, a secondary may lag behind.
        losses = tuple(_losses(mark, sh.status())) if read_only and not holder else ()
        for loss in losses:
            note(f"warning: {loss}")
        yield Reader(sh, holder, losses, address.url if address.kind == "remote" else "")


@contextmanager
def writing(
    settings: Settings, *, accept_data_loss: bool = False, create: bool = False
) -> Iterator[Statehouse]:
    """Opens the store to write to it, and closes it.

    Args:
        settings: Which store.
        accept_data_loss: Open it although acknowledged commits are missing.
        create: Make a store where there is none.

    Raises:
        Refusal: There is no store, and none is to be made.
        StatehouseError: It cannot be opened.
    """
    address = _address(settings)
    if address.kind == "export":
        raise Refusal(
            f"{address.url} is an exported run, which is read-only; --url names the store to write to",
            Exit.USAGE,
        )
    if address.kind == "file" and not create:
        _require_store(address)
    rocks = f"{address.where}/rocks"
    is_new = address.kind == "file" and not os.path.exists(rocks)  # noqa: PTH110 - Path's raises where one may not look
    try:
        with _opened(settings, address, accept_data_loss=accept_data_loss) as sh:
            if is_new:
                # Not before it is opened: that may be refused.
                note(f"making a new store in {address.where}")
            yield sh
    except DirectoryLockedError as error:
        raise Refusal(_held(error), Exit.UNAVAILABLE) from None


@contextmanager
def _opened(
    settings: Settings,
    address: Address,
    *,
    read_only: bool | None = None,
    accept_data_loss: bool = False,
) -> Iterator[Statehouse]:
    from statehouse import Statehouse

    with Statehouse(
        address.url,
        namespace=DEFAULT_NAMESPACE if settings.namespace is None else settings.namespace,
        timeout=settings.timeout,
        read_only=read_only,
        accept_data_loss=accept_data_loss,
        connect_timeout=settings.connect_timeout,
    ) as sh:
        try:
            yield sh
        except ConnectionError as error:
            if _is_told(settings):
                raise
            raise Refusal(
                f"{error.message} (neither --url nor STATEHOUSE_URL says which store, so the daemon of this "
                "machine was asked)",
                Exit.UNAVAILABLE,
            ) from None


@contextmanager
def _exported(settings: Settings, address: Address) -> Iterator[Statehouse]:
    from statehouse.client._sync.handle import Statehouse as Handle
    from statehouse.debug.exports.opened import export_header
    from statehouse.debug.exports.opened import open as open_export

    try:
        opened = open_export(address.where)
    except NotFoundError:
        raise Refusal(
            f"there is no exported run in {address.where!r}; is --url (or STATEHOUSE_URL) right?",
            Exit.UNAVAILABLE,
        ) from None
    with opened:
        header = export_header(opened)
        assert header is not None, "what was opened is an export"
        note(
            f"this is the run {header.run_id}, exported as of commit_ts {header.to_ts}: "
            "only what it touched is here"
        )
        namespace = header.namespace if settings.namespace is None else settings.namespace
        yield Handle.from_connection(opened.connection, namespace=namespace)


def shown_holder(holder: dict[str, Any]) -> str:
    """Gives who has a store open in a few words."""
    command = str(holder.get("command", ""))
    if len(command) > 60:
        command = command[:59] + "…"
    return f"process {holder['pid']} ({command})" if command else f"process {holder['pid']}"


def _held(error: DirectoryLockedError) -> str:
    """Gives what to do about a directory that another process has."""
    holder: dict[str, Any] = error.details["holder"]
    if holder.get("pid") == os.getpid():
        return error.message
    path = str(error.path)
    if not holder:
        return f"the store in {path!r} is held by another process; stop that, or use the store through it"
    held = f"the store in {path!r} is held by {shown_holder(holder)}"
    words = _words(str(holder.get("command", "")))
    if not _is_daemon(words):
        return f"{held}; only one process can write to a directory at a time: stop that one first"
    listens = [after for word, after in pairwise(words) if word == "--listen"]
    listens += [word.removeprefix("--listen=") for word in words if word.startswith("--listen=")]
    if listens and not listens[0].endswith(":0"):
        return f"{held}, a daemon; write through it: --url {listens[0]}"
    return (
        f"{held}, a daemon; write through it: --url with the address that it listens on, {DEFAULT_URL} "
        "unless it was told another"
    )


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:
        # A long one is cut, perhaps within quotes.
        return command.split()


def _is_daemon(words: list[str]) -> bool:
    # Behind the interpreter and its options stands the program.
    return any(
        Path(word).name in ("statehoused", "statehoused.exe", "statehouse.daemon") for word in words[:4]
    )


def _address(settings: Settings) -> Address:
    from statehouse.client.url import parse

    address = parse(settings.url)
    if address.kind == "memory" and not _shared_in_process(address):
        note(f"{address.url} is the memory of this process: it is empty now, and gone when the command ends")
    return address


def _is_told(settings: Settings) -> bool:
    """Whether anybody said which store."""
    from statehouse.client.url import URL_VARIABLE

    return settings.url is not None or bool(os.environ.get(URL_VARIABLE))


def names_daemon(settings: Settings) -> bool:
    """Whether somebody said which store, and it is a daemon's.

    Raises:
        InvalidArgumentError: What was said is no URL.
    """
    from statehouse.client.url import parse

    return _is_told(settings) and parse(settings.url).kind == "remote"


def _shared_in_process(address: Address) -> bool:
    # Only a program that calls the command line itself, as the tests do, can have put something there.
    return bool(address.where)


def _require_store(address: Address) -> None:
    from statehouse.storage.directory import DataDirectory

    try:
        DataDirectory(Path(address.where)).require()
    except NotFoundError:
        raise Refusal(
            f"there is no store in {address.where!r}; is --url (or STATEHOUSE_URL) right? "
            "`statehousectl put` and `store load` make a new one",
            Exit.UNAVAILABLE,
        ) from None


def _look(path: Path) -> tuple[dict[str, Any], Mark | None]:
    from statehouse.engine.marks import newest_mark
    from statehouse.storage.directory import DataDirectory
    from statehouse.storage.marks import read_marks

    directory = DataDirectory(path)
    return directory.holder(), newest_mark(read_marks(directory.marks))


def _losses(mark: Mark | None, status: StoreStatus) -> Iterator[str]:
    """What is missing of a store that nobody holds: its log reaches at least as far as its mark."""
    then = "; a restored backup has it, and --accept-data-loss lets writers go on without"
    if mark is None:
        if status.commit_ts:
            yield f"the store's high-water mark is missing, so commits after {status.commit_ts} may be{then}"
    elif mark.store_id.hex() != status.store_id:
        yield f"the high-water mark is that of store {mark.store_id.hex()}: files of two stores are mixed"
    elif mark.commit_ts > status.commit_ts:
        missing = mark.commit_ts - status.commit_ts
        are = "commits are" if missing > 1 else "commit is"
        yield (
            f"{missing} acknowledged {are} missing: the log ends at commit_ts {status.commit_ts}, but "
            f"{mark.commit_ts} was durable{then}"
        )
