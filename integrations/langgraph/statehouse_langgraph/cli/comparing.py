"""``diff``: what is different between two checkpoints of a thread, channel by channel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any, Final

import click

from statehouse_langgraph.cli.exits import Exit, Refusal
from statehouse_langgraph.cli.legible import legible
from statehouse_langgraph.cli.options import Command, Settings, reading
from statehouse_langgraph.cli.output import Output, json_text, one_line, printable
from statehouse_langgraph.cli.threads import require
from statehouse_langgraph.cli.tree import Node, nodes_of

if TYPE_CHECKING:
    from statehouse_langgraph.saver.saver import StatehouseSaver

_SIGNS: Final = {"added": ("+", "green"), "removed": ("-", "red"), "changed": ("~", "yellow")}
_COMPARED_MAX: Final = 5_000


@dataclass(frozen=True, slots=True)
class Change:
    """A channel that is not the same at both checkpoints.

    Attributes:
        channel: Which.
        kind: ``added``, ``removed`` or ``changed``.
        before: What it held; None for nothing.
        after: What it holds; None for nothing.
    """

    channel: str
    kind: str
    before: Any
    after: Any

    def lines(self) -> Iterator[tuple[str, Any]]:
        """Gives what went and what came, each with its sign: of lists item by item."""
        if not isinstance(self.before, list) or not isinstance(self.after, list):
            if self.kind != "added":
                yield "-", self.before
            if self.kind != "removed":
                yield "+", self.after
            return
        yield from _items(self.before, self.after)


def _items(before: Sequence[Any], after: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    old, new = list(map(json_text, before)), list(map(json_text, after))
    if max(len(old), len(new)) > _COMPARED_MAX:
        # Comparing everything with everything takes long; what grew has a beginning in common.
        same = next(
            (at for at, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new))
        )
        blocks = [("equal", 0, same, 0, same), ("replace", same, len(old), same, len(new))]
    else:
        blocks = list(SequenceMatcher(None, old, new, autojunk=False).get_opcodes())
    for what, start, end, new_start, new_end in blocks:
        if what == "equal":
            if end > start:
                yield " ", f"{end - start} the same"
            continue
        yield from (("-", each) for each in before[start:end])
        yield from (("+", each) for each in after[new_start:new_end])


@click.command(cls=Command)
@click.argument("thread")
@click.argument("a")
@click.argument("b", default="latest")
@click.option(
    "--checkpoint-ns",
    "ns",
    default="",
    metavar="NS",
    help="The namespace of a subgraph. Default: the root graph.",
)
@click.pass_obj
def diff(settings: Settings, *, thread: str, a: str, b: str, ns: str) -> None:
    """Show what differs between checkpoints A and B, channel by channel.

    A checkpoint is named by its id, by a part of the id that no other has, by its step (step:3; the newest of
    that step), or as latest. Lists, such as messages, are compared item by item. Exits with 1 when something
    differs, with 0 when nothing does, and with 3 when there is no such thread or checkpoint.
    """
    output = Output(settings)
    with reading(settings) as saver:
        require(saver, thread)
        nodes = [node for node in nodes_of(saver, thread) if node.ns == ns]
        one, other = (_chosen(nodes, name, thread, ns) for name in (a, b))
        found = list(changes(_values(saver, thread, one), _values(saver, thread, other)))
    if settings.json:
        output.document(
            {
                "thread_id": thread,
                "checkpoint_ns": ns,
                "from": {"checkpoint_id": one.id, "step": one.step},
                "to": {"checkpoint_id": other.id, "step": other.step},
                "channels": {
                    each.channel: {"change": each.kind, "before": each.before, "after": each.after}
                    for each in found
                },
            }
        )
    else:
        _write(output, thread, one, other, found)
    if found:
        raise click.exceptions.Exit(Exit.FINDINGS)


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    """Gives the channels that differ, by name."""
    for channel in sorted({*before, *after}):
        if channel not in before:
            yield Change(channel, "added", None, after[channel])
        elif channel not in after:
            yield Change(channel, "removed", before[channel], None)
        elif before[channel] != after[channel]:
            yield Change(channel, "changed", before[channel], after[channel])


def _chosen(nodes: Sequence[Node], name: str, thread: str, ns: str) -> Node:
    if name == "latest":
        found = nodes
    elif name.startswith("step:"):
        found = [node for node in nodes if str(node.step) == name.removeprefix("step:")]
    else:
        found = [node for node in nodes if node.id == name] or [node for node in nodes if name in node.id]
        if len(found) > 1:
            raise Refusal(
                f"{len(found)} checkpoints of thread {thread!r} have {name!r} in their ids; write more of it",
                Exit.USAGE,
            )
    if not found:
        where = f" in namespace [{ns}]" if ns else ""
        raise Refusal(
            f"thread {thread!r} has no checkpoint {name!r}{where}; `statehouse-langgraph tree` shows them",
            Exit.NOT_FOUND,
        )
    return max(found, key=lambda node: node.id)


def _values(saver: StatehouseSaver, thread: str, node: Node) -> dict[str, Any]:
    """What the channels hold; of a DeltaChannel what was written to it, which only its reducer can add up."""
    where = {"thread_id": thread, "checkpoint_ns": node.ns, "checkpoint_id": node.id}
    found = saver.get_tuple({"configurable": where})
    assert found is not None, "it was listed"
    values = {
        name: legible(value)
        for name, value in found.checkpoint["channel_values"].items()
        if not name.startswith(("branch:", "__"))
    }
    deltas = [
        name for name in found.metadata.get("counters_since_delta_snapshot") or () if name not in values
    ]
    if deltas:
        histories = saver.get_delta_channel_history(config={"configurable": where}, channels=deltas)
        for name, history in histories.items():
            written = [legible(write[2]) for write in history.get("writes", ())]
            values[f"{name} (delta)"] = [legible(history["seed"]), *written] if "seed" in history else written
    return values


def _write(output: Output, thread: str, one: Node, other: Node, found: Sequence[Change]) -> None:
    if output.terminal:
        output.styled(
            (printable(thread), "bold"),
            (f"  step {one.step} ({one.id}) to step {other.step} ({other.id})", "dim"),
        )
    for change in found:
        sign, style = _SIGNS[change.kind]
        output.styled((f"{sign} {printable(change.channel)}", style))
        for mark, value in change.lines():
            if mark == " ":
                output.styled((f"    … {value}", "dim"))
            else:
                shown = one_line(value, max(24, output.width - 6))
                output.styled((f"    {mark} {shown}", {"-": "red", "+": "green"}[mark]))
