"""A run as people read it: a line a step, the replay of its events, the notebook, the answer."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from typing import Any, Final

from examples.research_agent.runs import Step
from statehouse import Event

WIDTH: Final = 110
_LINE: Final = 72


def step_line(step: Step, commit_ts: int) -> str:
    """Gives a finished step in one line, the commit that finished it first."""
    by = "" if step.by == "rules" else f"   [{_short(step.by, 60)}]"
    return f"@{commit_ts:<3} step {step.number:>2}  {step.call.tool:<9}  {_short(describe(step), _LINE)}{by}"


def describe(step: Step) -> str:
    """Gives what a step did in a few words."""
    result, arguments = step.result, step.call.arguments
    if "error" in result:
        return f"failed: {result['error']}"
    match step.call.tool:
        case "plan":
            return " | ".join(result["goals"])
        case "recall":
            count = len(result["notes"])
            return f"{arguments['about']!r} -> {count} note{'s' * (count != 1)}"
        case "search":
            names = [hit["name"] for hit in result["hits"]]
            return f"{arguments['query']!r} -> {', '.join(names[:2]) if names else 'nothing'}"
        case "read" | "source":
            return f"{result['name']}  ({result['where']})"
        case "modules":
            return f"{arguments['about']!r} -> {', '.join(one['name'] for one in result['modules'])}"
        case "calculate":
            return f"{result['expression']} = {result['value']}"
        case "answer":
            count = len(result["citations"])
            return f"{len(result['text'])} characters, {count} citation{'s' * (count != 1)}"
        case _:
            return result["kept"].splitlines()[0] if result.get("kept") else ""


def replay_lines(events: Iterable[Event]) -> Iterator[str]:
    """Gives what each commit of a run was and wrote, in commit order."""
    for event in events:
        run = f"run/{event.origin.run_id}"
        wrote = ", ".join(
            f"{write.key.replace(run, 'run', 1)} v{write.version}" for write in event.operations
        )
        yield f"{_when(event)}  {event.origin.step:<13} {_short(_what(event), 40):<40}  {wrote}"


def live_line(event: Event) -> str:
    """Gives which run a commit is of, and what it was."""
    return f"{_when(event)}  {event.origin.run_id:<6} {event.origin.step:<13} {_short(_what(event), 60)}"


def _when(event: Event) -> str:
    time = event.committed_at.strftime("%H:%M:%S.") + f"{event.committed_at_us // 1000 % 1000:03}"
    return f"@{event.commit_ts:<3} {time}"


def _what(event: Event) -> str:
    steps = [Step.from_json(write.value) for write in event.operations if "/step/" in write.key]
    return describe(steps[0]) if steps else ""


def note_lines(notes: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Gives each note in one line."""
    for note in notes:
        text = " ".join(note["text"].split())
        yield f"{note['about']}: {_short(text, _LINE)}"


def wrapped(text: str) -> str:
    """Gives a text with its long lines folded, each under its own indent."""
    lines: list[str] = []
    for line in map(_printable, text.splitlines()):
        indent = " " * (len(line) - len(line.lstrip()))
        lines.extend(
            [line]
            if len(line) <= WIDTH
            else textwrap.wrap(line, WIDTH, subsequent_indent=indent + "  ", break_on_hyphens=False)
        )
    return "\n".join(lines)


def _printable(line: str) -> str:
    # What a model says may hold characters that would move a terminal's cursor or reverse its text.
    return (
        line
        if line.isprintable()
        else "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in line)
    )


def _short(text: str, width: int) -> str:
    text = _printable(" ".join(text.split()))
    return text if len(text) <= width else text[: width - 1] + "…"
