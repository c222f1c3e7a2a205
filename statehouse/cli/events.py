"""``replay``, and how events are shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from itertools import islice
from time import sleep
from typing import TYPE_CHECKING, Any, Final

import click

from statehouse.cli.command import Command, Settings
from statehouse.cli.command import limit as limit_option
from statehouse.cli.reading import shown_json_time
from statehouse.cli.show import Output, note, one_line, printable, shown_value
from statehouse.cli.times import COMMIT_TS, TIME, shown_time
from statehouse.errors import ConnectionError, StatehouseError, StoreChangedError
from statehouse.programs.exits import Exit, Refusal, exit_of
from statehouse.protocol.lines import origin_to_json

if TYPE_CHECKING:
    from statehouse import Event, Operation, Origin
    from statehouse.cli.opening import Reader
    from statehouse.client.pages import ReplayPages

__all__ = ["event_json", "full_name", "replay", "write_events"]

_OPERATIONS_SHOWN: Final = 50
_PLAIN_VALUE_WIDTH: Final = 80
_ASK_AGAIN_S: Final = 0.1
_SIGNS: Final = {"delete": ("-", "red"), "erased": ("x", "magenta")}


@click.command(cls=Command)
@click.argument("agent", required=False)
@click.option("--from", "from_ts", type=COMMIT_TS, help="The first commit_ts.")
@click.option("--to", "to_ts", type=COMMIT_TS, help="The last commit_ts.")
@click.option(
    "--since", type=TIME, help="The first time, such as 2026-11-23T16:00:00Z, or an age, such as -5m."
)
@click.option("--until", type=TIME, help="The last time.")
@click.option("--follow", "-f", is_flag=True, help="Go on with new events as they are committed.")
@limit_option
@click.pass_obj
def replay(
    settings: Settings,
    *,
    agent: str | None,
    from_ts: int | None,
    to_ts: int | None,
    since: datetime | None,
    until: datetime | None,
    follow: bool,
    limit: int | None,
) -> None:
    """Print events in commit order, and go on with --follow.

    Of an agent, of a namespace (-n), or of the whole store. + is the first write of a key, ~ a later one, -
    a delete, x a value that was erased. Without a terminal each event is one line.

    With --follow, when a daemon goes down it waits until that is back, and misses nothing.
    """
    from statehouse.cli.absent import missing_agent
    from statehouse.cli.opening import reading
    from statehouse.client.blocking import iterate
    from statehouse.client.pages import ReplayPages, scope

    _check_range(from_ts, to_ts, since, until, follow=follow)
    output = Output(settings)
    with reading(settings) as reader:
        whole_store = agent is None and settings.namespace is None
        pages = ReplayPages(
            scope(reader.sh.namespace, settings.namespace, whole_store),
            agent,
            from_ts=from_ts or 0,
            to_ts=to_ts,
            from_time=since,
            to_time=until,
            follow=follow,
        )
        events = _waiting(reader, pages) if follow else iterate(reader.sh, pages)
        name: Callable[[Operation], str] = full_name
        if agent is not None:
            name = _key_name
        elif settings.namespace is not None:
            name = _agent_name
        count = write_events(output, islice(events, limit), name, flush=follow)
        if not count and not output.json:
            missing = "" if agent is None else missing_agent(reader.sh, agent)
            if missing or output.terminal:
                note(missing or "no events")


def _waiting(reader: Reader, pages: ReplayPages) -> Iterator[Event]:
    """Gives events as they come; once there was an answer, it waits for a daemon that is gone.

    Raises:
        Refusal: It cannot go on, and says from where somebody can.
        StatehouseError: It cannot begin; or the store is another one now.
    """
    from statehouse.extend import run

    begun = gone = False
    last = 0
    while True:
        try:
            page = run(reader.sh, pages.next())
        except ConnectionError:
            if not begun:
                raise
            if not gone:
                note(f"{reader.daemon} does not answer any more; this waits until it does (Ctrl-C ends it)")
            gone = True
            sleep(_ASK_AGAIN_S)
            continue
        except StoreChangedError:
            raise
        except StatehouseError as error:
            if not last:
                raise
            raise Refusal(f"{error.message}; go on with --from {last + 1}", exit_of(error)) from None
        if page is None:
            return
        if gone:
            note(f"{reader.daemon} answers again")
        begun, gone = True, False
        for event in page:
            yield event
            last = event.commit_ts


def _check_range(
    from_ts: int | None, to_ts: int | None, since: datetime | None, until: datetime | None, *, follow: bool
) -> None:
    if from_ts is not None and since is not None:
        raise Refusal("give --from or --since, not both", Exit.USAGE)
    if to_ts is not None and until is not None:
        raise Refusal("give --to or --until, not both", Exit.USAGE)
    if until is not None and follow:
        raise Refusal("--follow goes on with what is still to come; --until does not go with it", Exit.USAGE)


def write_events(
    output: Output,
    events: Iterable[Event],
    name: Callable[[Operation], str],
    *,
    flush: bool = False,
    document: Callable[[Event], dict[str, Any]] | None = None,
) -> int:
    """Writes events as they come, and gives how many there were.

    Args:
        output: Where to.
        events: The events.
        name: What an operation's record is called on a terminal; `full_name`: what is without one, too.
        flush: Whether somebody waits for each.
        document: Gives the JSON of an event; None for `event_json`.
    """
    from statehouse.client.pretty import pretty

    plain = pretty(_PLAIN_VALUE_WIDTH)
    count = 0
    for event in events:
        count += 1
        if output.json:
            output.record((document or event_json)(event))
        elif output.terminal:
            _show(output, event, name)
        else:
            output.line(plain(_of_namespaces(event) if name is full_name else event))
        if flush:
            output.flush()
    return count


def _of_namespaces(event: Event) -> Event:
    """Gives an event whose agents are called as they are where there are several namespaces."""
    return replace(
        event,
        operations=tuple(
            replace(operation, agent_id=f"{operation.namespace}/{operation.agent_id}")
            for operation in event.operations
        ),
    )


def _show(output: Output, event: Event, name: Callable[[Operation], str]) -> None:
    why = _shown_origin(event.origin)
    output.styled(
        (f"@{event.commit_ts}", "bold"),
        (f"  {shown_time(event.committed_at)}", "dim"),
        (f"  {why}", "cyan") if why else "",
        (f"  txn {printable(event.txn_id)}", "dim"),
    )
    for operation in event.operations[:_OPERATIONS_SHOWN]:
        sign, style = _SIGNS.get(operation.kind) or (
            ("+", "green") if operation.version == 1 else ("~", "yellow")
        )
        shown = f"  {sign} {printable(name(operation))}"
        version = f"  v{operation.version}"
        value = ""
        if operation.payload is not None:
            value = "  " + one_line(operation.payload, max(24, output.width - len(shown) - len(version) - 2))
        output.styled((shown, style), (version, "dim"), value)
    more = len(event.operations) - _OPERATIONS_SHOWN
    if more > 0:
        output.styled((f"  … and {more:,} more operations; --json prints them", "dim"))


def full_name(operation: Operation) -> str:
    """Gives the whole name of what an operation changed."""
    return f"{operation.namespace}/{operation.agent_id}/{operation.key}"


def _agent_name(operation: Operation) -> str:
    return f"{operation.agent_id}/{operation.key}"


def _key_name(operation: Operation) -> str:
    return operation.key


def _shown_origin(origin: Origin) -> str:
    named = (
        ("run", origin.run_id),
        ("step", origin.step),
        ("by", origin.agent_id),
        ("trace", origin.trace_id),
        ("span", origin.span_id),
    )
    return "  ".join(f"{what} {printable(value)}" for what, value in named if value)


def event_json(event: Event) -> dict[str, Any]:
    """Gives an event as JSON output has it."""
    return {
        "commit_ts": event.commit_ts,
        "txn_id": event.txn_id,
        "committed_at": shown_json_time(event.committed_at),
        "origin": origin_to_json(event.origin),
        "operations": [
            {
                "kind": operation.kind,
                "namespace": operation.namespace,
                "agent_id": operation.agent_id,
                "key": operation.key,
                "version": operation.version,
                **shown_value(operation.payload),
            }
            for operation in event.operations
        ],
    }
