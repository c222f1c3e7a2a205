"""``tree``: the checkpoints of a thread as they came from each other, with forks, subgraphs and questions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import click

from statehouse.extend import Flow, Get, ask, run
from statehouse_langgraph.cli.legible import Sealed, legible
from statehouse_langgraph.cli.options import Command, Settings, reading
from statehouse_langgraph.cli.output import Output, one_line, printable
from statehouse_langgraph.cli.threads import require

if TYPE_CHECKING:
    from statehouse_langgraph.saver.records import CheckpointRecord
    from statehouse_langgraph.saver.rows import ThreadRows
    from statehouse_langgraph.saver.saver import StatehouseSaver

_QUESTION: Final = "__interrupt__"
_ERROR: Final = "__error__"


@dataclass(frozen=True, slots=True)
class Node:
    """A checkpoint in the tree.

    Attributes:
        ns: Its namespace; empty for the root graph.
        id: Its id.
        parent: The one it came from, if that is still there.
        depth: How many forks it is away from the first branch.
        rails: What stands before it in the picture.
        commit_ts: The commit that stored it.
        step: Its number; None where it is encrypted.
        source: What made it: input, loop, update or fork.
        ts: When it was made.
        updated: The channels that are new in it.
        questions: What persons are asked there.
        errors: What tasks failed with there.
        caller: The checkpoint of the root graph that called the subgraph; None for none.
    """

    ns: str
    id: str
    parent: str | None
    depth: int
    rails: str
    commit_ts: int
    step: Any
    source: Any
    ts: Any
    updated: Sequence[str]
    questions: Sequence[Any]
    errors: Sequence[Any]
    caller: str | None


@click.command(cls=Command)
@click.argument("thread")
@click.pass_obj
def tree(settings: Settings, *, thread: str) -> None:
    """Show the checkpoints of a thread as they came from each other.

    A branch is to the right of the one it left. Each namespace of a subgraph has a tree of its own. Without a
    terminal: namespace, depth, checkpoint, parent, step, source, commit_ts, time, what is asked, separated by
    tabs. Exits with 3 when there is no such thread.
    """
    output = Output(settings)
    with reading(settings) as saver:
        require(saver, thread)
        nodes = list(nodes_of(saver, thread))
    if not output.terminal:
        output.rows((), nodes, _cells, _document)
        return
    namespace: str | None = None
    for node in nodes:
        if node.ns != namespace:
            namespace = node.ns
            output.styled((printable(f"[{namespace}]" if namespace else thread), "bold"))
        _draw(output, node)


def nodes_of(saver: StatehouseSaver, thread_id: str) -> Iterator[Node]:
    """Gives the checkpoints of a thread, each after the one it came from; the root graph first."""
    from statehouse_langgraph.saver.keys import ThreadKeys  # noqa: PLC0415 - LangGraph takes a second

    keys = ThreadKeys(saver.namespace, thread_id)
    rows, stamps = run(saver.client, _read(saver, keys))
    for ns in sorted(rows.checkpoints):
        children: dict[str | None, list[CheckpointRecord]] = {}
        present = {record.id for record in rows.checkpoints[ns]}
        for record in rows.checkpoints[ns]:
            parent = rows.parent(record)
            children.setdefault(parent if parent in present else None, []).append(record)
        for record, depth, rails in _walk(children):
            yield _node(rows, record, depth, rails, stamps[keys.checkpoint(ns, record.id)])


def _read(saver: StatehouseSaver, keys: Any) -> Flow[tuple[ThreadRows, Mapping[Any, int]]]:
    from statehouse_langgraph.saver.keys import checkpoints_prefix  # noqa: PLC0415
    from statehouse_langgraph.saver.reading import scanned  # noqa: PLC0415
    from statehouse_langgraph.saver.records import Mark  # noqa: PLC0415
    from statehouse_langgraph.saver.rows import read_rows  # noqa: PLC0415

    read = yield from ask(Get(keys.thread()))
    rows = yield from read_rows(keys, Mark.of(read.entry.payload), saver.serde, read.read_ts)
    stamped = yield from scanned(keys, checkpoints_prefix(), at=read.read_ts, keys_only=True)
    return rows, {entry.key: entry.commit_ts for entry in stamped}


def _walk(
    children: Mapping[str | None, Sequence[CheckpointRecord]],
) -> Iterator[tuple[CheckpointRecord, int, str]]:
    """Goes along the oldest branch, then along the ones that left it, the newest of those first.

    A stack instead of recursion: threads are long.
    """
    stack = [(record, 0, False) for record in reversed(children.get(None, ()))]
    while stack:
        record, depth, leaves = stack.pop()
        open_below = {each for _, each, _ in stack}
        rails = ["│ " if level in open_below else "  " for level in range(depth)]
        if leaves:
            rails[-1] = "├─" if depth - 1 in open_below else "└─"
        yield record, depth, "".join(rails)
        first, *forks = children.get(record.id) or (None,)
        # What left here is drawn before the branch goes on, beside it.
        if first is not None:
            stack.append((first, depth, False))
        stack.extend((fork, depth + 1, True) for fork in reversed(forks))


def _node(rows: ThreadRows, record: CheckpointRecord, depth: int, rails: str, commit_ts: int) -> Node:
    checkpoint, metadata = rows.decode(record.checkpoint), rows.metadata(record)
    written = [each for task in rows.writes.get((record.ns, record.id), ()) for each in task.writes]
    return Node(
        ns=record.ns,
        id=record.id,
        parent=rows.parent(record),
        depth=depth,
        rails=rails,
        commit_ts=commit_ts,
        step=metadata.get("step"),
        source=legible(metadata) if isinstance(metadata, Sealed) else metadata.get("source"),
        ts=checkpoint.get("ts"),
        updated=[
            name
            for name in map(str, checkpoint.get("updated_channels") or ())
            if not name.startswith("branch:")
        ],
        questions=[_value(each) for each in _of(rows, written, _QUESTION)],
        errors=_of(rows, written, _ERROR),
        caller=(metadata.get("parents") or {}).get("") if record.ns else None,
    )


def _of(rows: ThreadRows, written: Sequence[Any], channel: str) -> list[Any]:
    found: list[Any] = []
    for each in written:
        if each.channel == channel:
            value = legible(rows.decode(each.value))
            found += value if isinstance(value, list) else [value]
    return found


def _value(question: Any) -> Any:
    """What somebody is asked: an `Interrupt` holds it."""
    return question.get("value", question) if isinstance(question, dict) else question


def _draw(output: Output, node: Node) -> None:
    styles = {"update": "yellow", "fork": "magenta", "input": "cyan"}
    parts: list[str | tuple[str, str]] = [
        f"  {node.rails}",
        ("● ", "red" if node.errors else "yellow" if node.questions else "green"),
        (f"step {node.step!s:>3} ", "bold"),
        (f"{node.source!s:7}", styles.get(str(node.source), "")),
        (f" {node.id}  @{node.commit_ts}", "dim"),
    ]
    if node.updated:
        parts.append(("  " + printable(", ".join(map(str, node.updated)))[:60], ""))
    output.styled(*parts)
    below = node.rails.replace("├─", "│ ").replace("└─", "  ")
    room = max(24, output.width - len(below) - 12)
    for what, values, style in (("asks", node.questions, "yellow"), ("failed", node.errors, "red")):
        for value in values:
            output.styled(f"  {below}    ", (f"{what} {one_line(value, room)}", style))


def _cells(node: Node) -> list[str]:
    asked = one_line(list(node.questions), 200) if node.questions else ""
    facts = (node.ns, node.depth, node.id, node.parent or "", node.step, node.source, node.commit_ts, node.ts)
    return [*("" if fact is None else str(fact) for fact in facts), asked]


def _document(node: Node) -> dict[str, Any]:
    facts = {
        "checkpoint_ns": node.ns,
        "checkpoint_id": node.id,
        "parent_checkpoint_id": node.parent,
        "depth": node.depth,
        "step": node.step,
        "source": node.source,
        "commit_ts": node.commit_ts,
        "ts": node.ts,
        "updated_channels": list(node.updated),
        "interrupts": list(node.questions),
        "errors": list(node.errors),
    }
    return {**facts, "called_by": node.caller} if node.caller else facts
