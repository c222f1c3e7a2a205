"""Commands that list what a store has: ``agents namespaces``."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from statehouse.cli.command import Command, Settings
from statehouse.cli.command import at as at_option
from statehouse.cli.show import Column, Output, note

if TYPE_CHECKING:
    from statehouse import AgentCounts, NamespaceCounts

__all__ = ["agents", "namespaces"]


@click.command(cls=Command)
@at_option
@click.pass_obj
def agents(settings: Settings, *, at: int | datetime | None) -> None:
    """List the agents of the namespace.

    Without a terminal: agent, keys, events, newest commit_ts, separated by tabs.
    """
    from statehouse.cli.absent import elsewhere
    from statehouse.cli.opening import reading

    columns = (
        Column("AGENT", "bold", wide=True),
        Column("KEYS", right=True),
        Column("EVENTS", right=True),
        Column("NEWEST COMMIT", right=True),
    )

    def cells(each: AgentCounts) -> list[str]:
        return [each.agent_id, str(each.keys), str(each.events), str(each.last_commit_ts)]

    def document(each: AgentCounts) -> dict[str, Any]:
        return {
            "namespace": each.namespace,
            "agent_id": each.agent_id,
            "keys": each.keys,
            "events": each.events,
            "last_commit_ts": each.last_commit_ts,
        }

    with reading(settings) as reader:
        found = reader.sh.agents(at=at)
        others = "" if found else elsewhere(reader.sh, at)
    output = Output(settings)
    output.rows(columns, found, cells, document)
    if others and not settings.json:
        note(f"namespace {reader.sh.namespace!r} has no agents{others}")


@click.command(cls=Command)
@at_option
@click.pass_obj
def namespaces(settings: Settings, *, at: int | datetime | None) -> None:
    """List the namespaces of the store.

    Without a terminal: namespace, agents, keys, events, newest commit_ts, separated by tabs.
    """
    from statehouse.cli.opening import reading

    columns = (
        Column("NAMESPACE", "bold", wide=True),
        Column("AGENTS", right=True),
        Column("KEYS", right=True),
        Column("EVENTS", right=True),
        Column("NEWEST COMMIT", right=True),
    )

    def cells(each: NamespaceCounts) -> list[str]:
        numbers = (each.agents, each.keys, each.events, each.last_commit_ts)
        return [each.namespace, *map(str, numbers)]

    def document(each: NamespaceCounts) -> dict[str, Any]:
        return {
            "namespace": each.namespace,
            "agents": each.agents,
            "keys": each.keys,
            "events": each.events,
            "last_commit_ts": each.last_commit_ts,
        }

    with reading(settings) as reader:
        found = reader.sh.namespaces(at=at)
    Output(settings).rows(columns, found, cells, document)
