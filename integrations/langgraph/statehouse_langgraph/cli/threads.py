"""``threads`` and ``stats``: which threads there are, and what one weighs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import click

from statehouse_langgraph.cli.exits import Exit, Refusal
from statehouse_langgraph.cli.legible import legible
from statehouse_langgraph.cli.options import Command, Settings, reading
from statehouse_langgraph.cli.output import Column, Output, json_text, note, shown_size

if TYPE_CHECKING:
    from statehouse_langgraph.saver.saver import StatehouseSaver
    from statehouse_langgraph.saver.threads import Status, ThreadInfo, ThreadStats


@click.command(cls=Command)
@click.option("--prefix", default="", metavar="TEXT", help="Only threads whose ids begin so.")
@click.option(
    "--status",
    type=click.Choice(["idle", "interrupted", "error"]),
    help="Only threads that wait for a person (interrupted), failed (error), or neither (idle).",
)
@click.option(
    "--metadata",
    "pairs",
    multiple=True,
    metavar="KEY=VALUE",
    help="Only threads whose newest checkpoint has this in its metadata; VALUE is JSON, or else text. "
    "May be given several times.",
)
@click.option("--limit", type=click.IntRange(min=0), metavar="N", help="Stop after N threads.")
@click.pass_obj
def threads(
    settings: Settings, *, prefix: str, status: str | None, pairs: tuple[str, ...], limit: int | None
) -> None:
    """List threads, the most recently active first.

    Without a terminal: thread, status, step, checkpoints, minute of the last write, commit_ts of the newest
    checkpoint, holder of the lease, separated by tabs.
    """
    wanted = dict(map(_pair, pairs))
    output = Output(settings)
    columns = (
        Column("THREAD", "bold"),
        Column("STATUS"),
        Column("STEP", right=True),
        Column("CHECKPOINTS", right=True),
        Column("ACTIVE (UTC)", "dim"),
        Column("COMMIT", right=True),
        Column("HELD BY"),
    )

    def cells(info: ThreadInfo) -> list[str]:
        return [
            info.thread_id,
            info.status,
            str(info.metadata.get("step", "")),
            str(info.checkpoints),
            info.active_at.strftime("%Y-%m-%d %H:%M"),
            str(info.commit_ts),
            info.holder,
        ]

    def document(info: ThreadInfo) -> dict[str, Any]:
        return {
            "thread_id": info.thread_id,
            "status": info.status,
            "checkpoint_id": info.checkpoint_id,
            "checkpoints": info.checkpoints,
            "active_at": info.active_at.isoformat().replace("+00:00", "Z"),
            "commit_ts": info.commit_ts,
            "metadata": legible(info.metadata),
            "holder": info.holder or None,
        }

    with reading(settings) as saver:
        found = saver.list_threads(
            prefix=prefix, status=cast("Status | None", status), metadata=wanted, limit=limit
        )
        if not output.rows(columns, found, cells, document) and output.terminal:
            note(f"no such threads in namespace {saver.namespace!r}")


def _pair(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise Refusal(
            f"--metadata {text!r:.80} is not KEY=VALUE, such as user_id=7 or source=loop", Exit.USAGE
        )
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


@click.command(cls=Command)
@click.argument("thread")
@click.pass_obj
def stats(settings: Settings, *, thread: str) -> None:
    """Say what a thread weighs, channel by channel.

    Values count as if nothing were shared: on disk a list that grows costs what is new in it. Without a
    terminal: channel, bytes of its newest value, bytes of all its values, separated by tabs. Exits with 3
    when there is no such thread.
    """
    output = Output(settings)
    with reading(settings) as saver:
        require(saver, thread)
        found = saver.stats(thread)
    if settings.json:
        output.document(_document(found))
        return
    if output.terminal:
        _summary(output, found)
    columns = (Column("CHANNEL", "bold"), Column("NEWEST", right=True), Column("ALL VERSIONS", right=True))

    def cells(channel: str) -> Sequence[str]:
        sizes = found.newest_bytes.get(channel, 0), found.value_bytes[channel]
        return [channel, *(shown_size(size) if output.terminal else str(size) for size in sizes)]

    output.rows(columns, sorted(found.value_bytes), cells, json_text)


def _summary(output: Output, found: ThreadStats) -> None:
    values = sum(found.value_bytes.values())
    output.styled((found.thread_id, "bold"))
    for what, count, size in (
        ("checkpoints", found.checkpoints, found.checkpoint_bytes),
        ("tasks' writes", found.writes, found.write_bytes),
        ("channels", len(found.value_bytes), values),
    ):
        output.styled(f"  {count:>8,} {what:14}", (shown_size(size), "dim"))
    output.line("")


def _document(found: ThreadStats) -> dict[str, Any]:
    return {
        "thread_id": found.thread_id,
        "checkpoints": found.checkpoints,
        "checkpoint_bytes": found.checkpoint_bytes,
        "writes": found.writes,
        "write_bytes": found.write_bytes,
        "channels": {
            channel: {"newest_bytes": found.newest_bytes.get(channel, 0), "all_bytes": size}
            for channel, size in sorted(found.value_bytes.items())
        },
    }


def require(saver: StatehouseSaver, thread_id: str) -> None:
    """Checks that there is a thread.

    Raises:
        Refusal: There is none.
    """
    if next(saver.list({"configurable": {"thread_id": thread_id}}, limit=1), None) is None:
        raise Refusal(
            f"there is no thread {thread_id!r} in namespace {saver.namespace!r}; "
            "`statehouse-langgraph threads` lists those that there are",
            Exit.NOT_FOUND,
        )
