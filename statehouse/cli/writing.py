"""Commands that change state: ``put delete``."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from statehouse.cli.command import COUNT, Command, Settings
from statehouse.cli.command import accept_data_loss as accept_data_loss_option
from statehouse.cli.show import Output, printable
from statehouse.programs.exits import Exit, Refusal
from statehouse.protocol.names import DEFAULT_NAMESPACE, RecordKey, check_record_key

if TYPE_CHECKING:
    from statehouse import Transaction

__all__ = ["delete", "put"]

_if_version = click.option(
    "--if-version", type=COUNT, help="Only if the key has this version; 0: if it is absent."
)
_if_commit_ts = click.option(
    "--if-commit-ts", type=COUNT, help="Only if that commit wrote what it holds now; 0: if it is absent."
)


@click.command(cls=Command)
@click.argument("agent")
@click.argument("key")
@click.argument("value", metavar="VALUE|-|@FILE")
@click.option("--text", is_flag=True, help="VALUE is a text as it stands, not JSON.")
@click.option("--bytes", "raw", is_flag=True, help="VALUE is bytes as they stand, not JSON.")
@_if_version
@_if_commit_ts
@accept_data_loss_option
@click.pass_obj
def put(
    settings: Settings,
    *,
    agent: str,
    key: str,
    value: str,
    text: bool,
    raw: bool,
    if_version: int | None,
    if_commit_ts: int | None,
    accept_data_loss: bool,
) -> None:
    """Give a key a value.

    VALUE is JSON, from the command line, from stdin (-) or from a file (@FILE).

    Makes the store if there is none. Exits with 4, and changes nothing, when --if-version or --if-commit-ts
    does not hold.
    """
    from statehouse.cli.opening import writing
    from statehouse.extend import encode

    _check_one(if_version, if_commit_ts)
    if text and raw:
        raise Refusal("give --text or --bytes, not both", Exit.USAGE)
    # Before there is a store: what cannot be written must not leave a new one behind.
    _check_name(settings, agent, key)
    content = encode(_value(value, text=text, raw=raw))
    with writing(settings, accept_data_loss=accept_data_loss, create=True) as sh:
        with sh.transaction() as tx:
            tx.write(key, content, agent_id=agent, if_version=if_version, if_commit_ts=if_commit_ts)
        _show(settings, tx, f"{sh.namespace}/{agent}/{key}", "written")


@click.command(cls=Command)
@click.argument("agent")
@click.argument("key")
@_if_version
@_if_commit_ts
@accept_data_loss_option
@click.pass_obj
def delete(
    settings: Settings,
    *,
    agent: str,
    key: str,
    if_version: int | None,
    if_commit_ts: int | None,
    accept_data_loss: bool,
) -> None:
    """Take a key's value away.

    Its history stays.
    Exits with 4, and changes nothing, when --if-version or --if-commit-ts does not hold.
    """
    from statehouse.cli.opening import writing

    _check_one(if_version, if_commit_ts)
    with writing(settings, accept_data_loss=accept_data_loss) as sh:
        with sh.transaction() as tx:
            tx.delete(key, agent_id=agent, if_version=if_version, if_commit_ts=if_commit_ts)
        _show(settings, tx, f"{sh.namespace}/{agent}/{key}", "deleted")


def _check_one(if_version: int | None, if_commit_ts: int | None) -> None:
    if if_version is not None and if_commit_ts is not None:
        raise Refusal("give --if-version or --if-commit-ts, not both", Exit.USAGE)


def _check_name(settings: Settings, agent: str, key: str) -> None:
    namespace = DEFAULT_NAMESPACE if settings.namespace is None else settings.namespace
    check_record_key(RecordKey(namespace, agent, key))


def _show(settings: Settings, tx: Transaction, name: str, done: str) -> None:
    output = Output(settings)
    if settings.json:
        output.document({"commit_ts": tx.commit_ts, "txn_id": tx.txn_id})
    else:
        output.styled(
            f"{printable(name)} {done}  ", (f"@{tx.commit_ts}", "bold green"), (f"  {tx.txn_id}", "dim")
        )


def _value(argument: str, *, text: bool, raw: bool) -> Any:
    """The value that was given, from wherever it is."""
    if argument == "-":
        data, where = sys.stdin.buffer.read(), "stdin"
    elif argument.startswith("@"):
        data, where = _file(argument[1:]), argument[1:]
    else:
        # The bytes that the shell passed, whatever their encoding.
        data, where = os.fsencode(argument), "VALUE"
    if raw:
        return data
    try:
        decoded = data.decode()
    except UnicodeDecodeError as error:
        raise Refusal(
            f"{where} is not UTF-8 ({error.reason}); --bytes stores any bytes", Exit.USAGE
        ) from None
    if text:
        return decoded
    try:
        return json.loads(decoded)
    except (ValueError, RecursionError) as error:
        why = "too deeply nested" if isinstance(error, RecursionError) else str(error)
        shown = json.dumps(decoded if len(decoded) <= 40 else decoded[:39] + "…", ensure_ascii=False)
        raise Refusal(
            f"{where} is not JSON: {why}; a text is written '{printable(shown)}', or as it is with --text",
            Exit.USAGE,
        ) from None


def _file(name: str) -> bytes:
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise Refusal(f"cannot read {name!r}: {error.strerror}", Exit.USAGE) from None
    except ValueError as error:
        raise Refusal(f"cannot read {name!r}: {error}", Exit.USAGE) from None
