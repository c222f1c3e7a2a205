"""Values, keys and authors in the words and colours that all commands about runs have for them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from statehouse.cli.show import json_text, one_line, printable, shown_bytes

if TYPE_CHECKING:
    from statehouse.debug.inspecting.authors import Author
    from statehouse.debug.inspecting.held import Held
    from statehouse.extend import RecordKey
    from statehouse.steps.record import RunRecord, StepRecord
    from statehouse.steps.shared import Slot

__all__ = [
    "STATUS_STYLES",
    "author_text",
    "held_text",
    "is_plain",
    "key_text",
    "saw_text",
    "shortened",
    "slot_text",
    "step_title",
]

STATUS_STYLES: Final = {
    "executed": "green",
    "finished": "green",
    "failed": "bold red",
    "conflicted": "yellow",
    "interrupted": "yellow",
    "running": "cyan",
}


def is_plain() -> bool:
    """Whether the terminal cannot show what is not ASCII."""
    return "utf" not in (sys.stdout.encoding or "").lower()


def step_title(step: StepRecord, run: RunRecord) -> tuple[str | tuple[str, str], ...]:
    """Gives the line that what is said about one step begins with."""
    return (
        (printable(step.path), "bold"),
        f" of run {printable(run.run_id)}  ",
        (step.status, STATUS_STYLES.get(step.status, "")),
        (f"  by {printable(run.agent_id)}", "cyan"),
    )


def saw_text(step: StepRecord) -> str:
    """Gives which state a step saw."""
    reads = "nothing; it was commit_ts" if step.read_ts is None else "read_ts"
    return f"{reads} {step.saw_ts}"


def key_text(name: RecordKey, namespace: str, agent_id: str = "") -> str:
    """Gives a key, with its agent and namespace where those are not the given ones."""
    if name.namespace != namespace:
        return printable(str(name))
    return printable(name.key if name.agent_id == agent_id else f"{name.agent_id}/{name.key}")


def held_text(held: Held, width: int) -> str:
    """Gives what a key held in one line."""
    if held.payload is not None:
        return one_line(held.payload, width)
    match held.kind:
        case "erased":
            return "(erased)"
        case "delete":
            return "(deleted)"
        case _:
            return "" if held.version == 0 else "(not known any more)"


def author_text(author: Author | None, run_id: str = "") -> str:
    """Gives who made a commit; a step of the given run without its run."""
    if author is None:
        return ""
    origin = author.origin
    parts = [f"@{author.commit_ts}"]
    if origin.step:
        parts.append(origin.step if origin.run_id == run_id else f"{origin.run_id}#{origin.step}")
    elif origin.run_id:
        parts.append(f"run {origin.run_id}")
    if origin.agent_id:
        parts.append(f"by {origin.agent_id}")
    if len(parts) == 1:
        parts.append(f"txn {author.txn_id}")
    return printable(" ".join(parts))


def slot_text(slot: Slot | None, width: int) -> str:
    """Gives the value of a slot in one line; a large one, which is stored elsewhere, by its size."""
    if slot is None:
        return ""
    if "ref" in slot:
        return f"<{shown_bytes(int(slot.get('bytes', 0)))}>"
    return shortened(slot.get("json"), width)


def shortened(value: Any, width: int) -> str:
    """Gives JSON in one line of at most so many characters."""
    text = json_text(value)
    return text if len(text) <= width else text[: max(0, width - 1)] + "…"
