"""Commands that read state: ``get keys scan history state``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from statehouse.cli.command import ORDINAL, Command, Decorated, Settings
from statehouse.cli.command import at as at_option
from statehouse.cli.command import limit as limit_option
from statehouse.cli.command import reverse as reverse_option
from statehouse.cli.show import (
    Column,
    Output,
    json_text,
    note,
    one_line,
    piped,
    printable,
    shown_bytes,
    shown_value,
)
from statehouse.cli.times import shown_time
from statehouse.programs.exits import Exit, Refusal

if TYPE_CHECKING:
    from statehouse import RecordVersion, Statehouse
    from statehouse.protocol.replies import Entry

__all__ = ["entries", "get", "history", "keys", "overview", "pinned", "scan", "shown_json_time", "state"]

_LINES_SHOWN = 40


def _fork_option(function: Decorated) -> Decorated:
    return click.option("--fork", metavar="RUN", help="The state that this fork has; see run fork.")(function)


def _seen(sh: Statehouse, fork: str | None) -> Statehouse:
    """The handle itself, or one on the state of a fork."""
    if fork is None:
        return sh
    from statehouse.debug.inspecting.viewing import state_of

    return state_of(sh, fork)


@click.command(cls=Command)
@click.argument("agent")
@click.argument("key")
@click.option("--version", type=ORDINAL, help="What the N-th write of the key wrote.")
@click.option("--bytes", "raw", is_flag=True, help="Write the stored bytes as they are, whatever they are.")
@at_option
@_fork_option
@click.pass_obj
def get(
    settings: Settings,
    *,
    agent: str,
    key: str,
    version: int | None,
    raw: bool,
    at: int | datetime | None,
    fork: str | None,
) -> None:
    """Print what a key holds.

    A terminal shows JSON indented, and the beginning of bytes. A pipe gets JSON as it is stored and a line
    end, and bytes as they are. Exits with 3 when there is no value.
    """
    from statehouse.cli.absent import hinted, missing_agent
    from statehouse.cli.opening import reading

    if version is not None and at is not None:
        raise Refusal("give --version or --at, not both: a version is the same at any time", Exit.USAGE)
    with reading(settings) as reader:
        entry = _entry(_seen(reader.sh, fork), agent, key, version, at)
        payload = entry.payload
        if payload is None:
            hint = "" if entry.kind == "delete" else missing_agent(reader.sh, agent)
            raise Refusal(hinted(_absence(entry, version, at), hint), Exit.NOT_FOUND)
    output = Output(settings)
    if raw:
        output.raw(payload.data)
    elif settings.json:
        output.document(entry_json(entry))
    elif output.terminal:
        output.styled(
            (printable(str(entry.key)), "bold"), (f"  version {entry.version}  @{entry.commit_ts}", "dim")
        )
        output.value(payload)
    else:
        output.raw(piped(payload))


def _entry(sh: Statehouse, agent: str, key: str, version: int | None, at: int | datetime | None) -> Entry:
    from statehouse.client.reads import resolve
    from statehouse.extend import Get, GetAtVersion, RecordKey, run

    name = RecordKey(sh.namespace, agent, key)
    engine = sh.connection.engine
    # Entries, not records: a value is shown, and no codec need decode it.
    if version is not None:
        return engine.execute(GetAtVersion(name, version)).entry
    return engine.execute(Get(name, run(sh, resolve(at)))).entry


def _absence(entry: Entry, version: int | None, at: int | datetime | None) -> str:
    if version is not None:
        return (
            f"version {version} of {entry.key} is a delete (commit_ts {entry.commit_ts}), so it has no value"
        )
    if entry.kind == "delete":
        return (
            f"{entry.key} has no value: it was deleted at commit_ts {entry.commit_ts}; "
            f"--version {entry.version - 1} is what it held before"
        )
    if at is None:
        return f"{entry.key} has no value: it was never written"
    when = f"at commit_ts {at}" if isinstance(at, int) else f"at {shown_time(at)} UTC"
    return f"{entry.key} had no value {when}: it was first written later, or never"


def entry_json(entry: Entry) -> dict[str, Any]:
    """Gives a record as JSON output has it."""
    return {
        "namespace": entry.key.namespace,
        "agent_id": entry.key.agent_id,
        "key": entry.key.key,
        "version": entry.version,
        "commit_ts": entry.commit_ts,
        **({"kind": "erased"} if entry.kind == "erased" else {}),
        **shown_value(entry.payload),
    }


def entries(
    sh: Statehouse,
    agent: str,
    prefix: str = "",
    *,
    at: int | datetime | None = None,
    reverse: bool = False,
    limit: int | None = None,
) -> Iterator[Entry]:
    """Iterates over the entries of an agent; unlike `scan_prefix` it decodes nothing, and shows erased
    ones.
    """
    from statehouse.client.pages import ScanPages
    from statehouse.extend import run

    pages = ScanPages(sh.namespace, agent, prefix, reverse=reverse, limit=limit, at=at)
    while (page := run(sh, pages.entries())) is not None:
        yield from page.entries


def pinned(sh: Statehouse, at: int | datetime | None) -> int | None:
    """Gives the one commit_ts that several reads of a command are to be as of; None in an empty store."""
    from statehouse.client.reads import resolve
    from statehouse.extend import run

    if at is None:
        return sh.status().commit_ts or None
    return run(sh, resolve(at))


@click.command(cls=Command)
@click.argument("agent")
@click.argument("prefix", default="")
@reverse_option
@limit_option
@at_option
@_fork_option
@click.pass_obj
def keys(
    settings: Settings,
    *,
    agent: str,
    prefix: str,
    reverse: bool,
    limit: int | None,
    at: int | datetime | None,
    fork: str | None,
) -> None:
    """List an agent's keys, or those that begin with a prefix."""
    from statehouse.cli.opening import reading

    with reading(settings) as reader:
        sh = _seen(reader.sh, fork)
        found = sh.list_keys(prefix, agent_id=agent, reverse=reverse, limit=limit, at=at)
        output = Output(settings)
        if not found:
            _note_nothing(output, reader.sh, agent, "keys" if not prefix else "such keys")
    for key in found:
        if settings.json:
            output.record(key)
        else:
            output.line(printable(key))


@click.command(cls=Command)
@click.argument("agent")
@click.argument("prefix", default="")
@reverse_option
@limit_option
@at_option
@_fork_option
@click.pass_obj
def scan(
    settings: Settings,
    *,
    agent: str,
    prefix: str,
    reverse: bool,
    limit: int | None,
    at: int | datetime | None,
    fork: str | None,
) -> None:
    """List an agent's keys with their values.

    Without a terminal: key, version, commit_ts, value, separated by tabs.
    """
    from statehouse.cli.opening import reading

    output = Output(settings)
    columns = (
        Column("KEY", "bold"),
        Column("VERSION", right=True),
        Column("COMMIT", right=True),
        Column("VALUE", wide=True),
    )

    def cells(entry: Entry) -> list[str]:
        value = "(erased)" if entry.payload is None else one_line(entry.payload, output.width)
        return [entry.key.key, str(entry.version), str(entry.commit_ts), value]

    with reading(settings) as reader:
        found = entries(_seen(reader.sh, fork), agent, prefix, reverse=reverse, limit=limit, at=at)
        count = output.rows(columns, found, cells, entry_json)
        if not count:
            _note_nothing(output, reader.sh, agent, "keys" if not prefix else "such keys")


def _note_nothing(output: Output, sh: Statehouse, agent: str, what: str) -> None:
    """Says that nothing was found to a person, and to everybody that the agent is none."""
    from statehouse.cli.absent import missing_agent

    if output.json:
        return
    hint = missing_agent(sh, agent)
    if hint or output.terminal:
        note(hint or f"agent {agent!r} has no {what} in namespace {sh.namespace!r}")


@click.command(cls=Command)
@click.argument("agent")
@click.argument("key")
@reverse_option
@limit_option
@at_option
@click.pass_obj
def history(
    settings: Settings, *, agent: str, key: str, reverse: bool, limit: int | None, at: int | datetime | None
) -> None:
    """List every write and delete of a key, oldest first.

    Without a terminal: version, commit_ts, time, kind, value, separated by tabs. Exits with 3 when the key
    was never written.
    """
    from statehouse.cli.absent import hinted, missing_agent
    from statehouse.cli.opening import reading

    output = Output(settings)
    columns = (
        Column("VERSION", right=True),
        Column("COMMIT", right=True),
        Column("TIME (UTC)", "dim"),
        Column("KIND"),
        Column("VALUE", wide=True),
    )
    with reading(settings) as reader:
        sh = reader.sh

        def cells(version: RecordVersion) -> list[str]:
            value = "" if version.payload is None else one_line(version.payload, output.width)
            time = shown_time(_committed_at(sh, version.commit_ts))
            return [str(version.version), str(version.commit_ts), time, version.kind, value]

        def document(version: RecordVersion) -> dict[str, Any]:
            return {
                "version": version.version,
                "commit_ts": version.commit_ts,
                "committed_at": shown_json_time(_committed_at(sh, version.commit_ts)),
                "kind": version.kind,
                **shown_value(version.payload),
            }

        versions = sh.history(key, agent_id=agent, reverse=reverse, limit=limit, at=at)
        if not output.rows(columns, versions, cells, document) and limit != 0:
            text = f"{sh.namespace}/{agent}/{key} was never written"
            raise Refusal(hinted(text, missing_agent(sh, agent)), Exit.NOT_FOUND)


def _committed_at(sh: Statehouse, commit_ts: int) -> datetime:
    return next(
        iter(sh.replay(whole_store=True, from_ts=commit_ts, to_ts=commit_ts, payloads=False))
    ).committed_at


def shown_json_time(time: datetime) -> str:
    """Gives a time as JSON output has it."""
    return time.isoformat(timespec="microseconds").replace("+00:00", "Z")


@click.command(cls=Command)
@click.argument("agent")
@click.argument("key", required=False)
@click.option("--rows", is_flag=True, help="Every row, also where a codec knows what they add up to.")
@at_option
@_fork_option
@click.pass_obj
def state(
    settings: Settings,
    *,
    agent: str,
    key: str | None,
    rows: bool,
    at: int | datetime | None,
    fork: str | None,
) -> None:
    """Show everything an agent has, or one key of it.

    Where a package that is installed knows what the rows of an agent add up to (a LangGraph thread: what its
    channels hold), that is shown instead of the rows. Exits with 3 when there is nothing.
    """
    from statehouse.cli.absent import hinted, missing_agent
    from statehouse.cli.opening import reading

    with reading(settings) as reader:
        sh = _seen(reader.sh, fork)
        read_ts = pinned(sh, at)
        if key is None:
            found = list(entries(sh, agent, at=read_ts))
        else:
            entry = _entry(sh, agent, key, None, read_ts)
            found = [entry] if entry.exists else []
        where = f"{sh.namespace}/{agent}" + ("" if key is None else f"/{key}")
        if not found:
            text = f"{where} has nothing as of commit_ts {read_ts or 0}"
            raise Refusal(hinted(text, missing_agent(reader.sh, agent)), Exit.NOT_FOUND)
    output = Output(settings)
    whole = None if rows or key is not None else overview(found)
    if settings.json:
        output.document(
            {
                "namespace": sh.namespace,
                "agent_id": agent,
                "read_ts": read_ts,
                **({} if whole is None else {"overview": whole}),
                "state": {
                    each.key.key: {
                        "version": each.version,
                        "commit_ts": each.commit_ts,
                        **shown_value(each.payload),
                    }
                    for each in found
                },
            }
        )
        return
    if output.terminal:
        size = sum(len(each.payload.data) for each in found if each.payload)
        count = f"{len(found)} key{'' if len(found) == 1 else 's'}, {shown_bytes(size)}"
        output.styled((printable(where), "bold"), (f"  as of commit_ts {read_ts}  {count}", "dim"))
    if whole is not None:
        for name, value in whole.items():
            _show_named(output, name, value)
        if output.terminal:
            note("this is what the rows add up to; --rows shows them")
        return
    for each in found:
        _show_entry(output, each)


def overview(found: Sequence[Entry]) -> dict[str, Any] | None:
    """Gives what the rows of an agent add up to, if a codec of one of them knows; else None."""
    from statehouse.extend import Overview, codec_for

    for content_type in dict.fromkeys(each.payload.content_type for each in found if each.payload):
        codec: object = codec_for(content_type)
        if not isinstance(codec, Overview):
            continue
        try:
            whole = codec.overview(found)
            if whole is not None:
                json.dumps(whole)
                return dict(whole)
        except Exception:  # noqa: BLE001, S112 - a codec is somebody else's, and the rows may be anything
            continue
    return None


def _show_named(output: Output, name: str, value: Any) -> None:
    if not output.terminal:
        output.line(f"{printable(name)}\t{json_text(value)}")
        return
    output.line("")
    output.styled((printable(name), "bold cyan"))
    output.json_value(value, indent=2, lines_max=_LINES_SHOWN)


def _show_entry(output: Output, entry: Entry) -> None:
    name = printable(entry.key.key)
    if not output.terminal:
        value = (
            "(erased)" if entry.payload is None else one_line(entry.payload, len(entry.payload.data) + 200)
        )
        output.line(f"{name}\t{value}")
        return
    output.line("")
    output.styled((name, "bold cyan"), (f"  version {entry.version}  @{entry.commit_ts}", "dim"))
    if entry.payload is None:
        output.line("  (erased)")
    else:
        output.value(entry.payload, indent=2, lines_max=_LINES_SHOWN)
