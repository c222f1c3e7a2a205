"""Steps, values and authors as JSON output has them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from statehouse.cli.reading import shown_json_time
from statehouse.cli.show import note, shown_value
from statehouse.protocol.lines import origin_to_json

if TYPE_CHECKING:
    from statehouse.debug.inspecting.authors import Author
    from statehouse.debug.inspecting.gaps import Gap
    from statehouse.debug.inspecting.held import Held
    from statehouse.extend import RecordKey
    from statehouse.steps.record import StepRecord

__all__ = ["author_json", "gaps_json", "held_json", "name_json", "note_gaps", "step_json"]


def name_json(name: RecordKey) -> dict[str, str]:
    """Gives the name of a key."""
    return {"namespace": name.namespace, "agent_id": name.agent_id, "key": name.key}


def author_json(author: Author | None) -> dict[str, Any] | None:
    """Gives who made a commit."""
    if author is None:
        return None
    return {
        "commit_ts": author.commit_ts,
        "committed_at": shown_json_time(author.committed_at),
        "txn_id": author.txn_id,
        **origin_to_json(author.origin),
    }


def held_json(held: Held | None) -> dict[str, Any] | None:
    """Gives what a key held."""
    if held is None:
        return None
    return {
        "version": held.version,
        "commit_ts": held.commit_ts,
        "kind": held.kind,
        **shown_value(held.payload),
        "author": author_json(held.author),
    }


def step_json(step: StepRecord) -> dict[str, Any]:
    """Gives which step it is, and what it saw and made; what is not set is left out."""
    found: dict[str, Any] = {
        "run_id": step.run_id,
        "path": step.path,
        "name": step.name,
        "kind": step.kind,
        "status": step.status,
        "attempt": step.attempt,
        "conflicts": step.conflicts,
        "read_ts": step.read_ts,
        "commit_ts": step.commit_ts,
        "started_at": shown_json_time(step.started_at),
        "ended_at": shown_json_time(step.ended_at),
        "duration_us": step.duration_us,
        "function": step.function,
        "code_version": step.code_version,
        "effect": step.effect,
        "trace_id": step.trace_id,
        "span_id": step.span_id,
        "taken": None if step.taken is None else dict(step.taken),
    }
    return {name: value for name, value in found.items() if value not in (None, "")}


def gaps_json(gaps: Iterable[Gap]) -> list[dict[str, Any]]:
    """Gives what cannot be told any more."""
    return [{"what": gap.what, "why": gap.why, "oldest": gap.oldest} for gap in gaps]


def note_gaps(gaps: Iterable[Gap]) -> None:
    """Says on stderr what cannot be told any more."""
    for gap in gaps:
        note(str(gap))
