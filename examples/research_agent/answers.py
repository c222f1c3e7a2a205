"""Answers: extracts of what was read, with the names they come from. Nothing here is made up."""

from __future__ import annotations

import re
from typing import Any, Final

from examples.research_agent.questions import wants_detail
from examples.research_agent.ranking import counted_words
from examples.research_agent.runs import Goal, Run, Step
from examples.research_agent.terms import terms

_SENTENCE_END: Final = re.compile(r"(?<=[.!?])\s+(?=[A-Z`'\"(])")
_PARAMETER: Final = re.compile(r"\b([a-z]\w*)(?=\s*[,=)/:]|$)")
_SENTENCES: Final = 3
_SENTENCES_DETAIL: Final = 8
_SENTENCE_CHARS_MAX: Final = 400
_SEE_ALSO_SHARE: Final = 0.6
_SEE_ALSO_MAX: Final = 3


def finding(goal: Goal, read: Step) -> str:
    """Gives what something that was read says about a goal: its signature, and the sentences that fit."""
    result = read.result
    if read.call.tool == "source":
        return f"{result['name']} is defined in {result['where']}:\n{result['source']}"
    lines = [result["name"] + result["signature"], " ".join(_extract(goal, result))]
    for word in counted_words(goal.text):
        if f"{word}=" in result["signature"]:
            number = re.search(rf"([\d.]+) {word}", goal.text, re.IGNORECASE)
            lines.append(f"Here: {result['name']}({word}={number[1] if number else '…'})")
    return "\n".join(line for line in lines if line)


def _extract(goal: Goal, read: dict[str, Any]) -> list[str]:
    found = sentences(read["text"])
    if not found:
        return ["It is not documented beyond its signature."]
    asked, most = set(terms(goal.text)), _SENTENCES
    if wants_detail(goal):
        asked.update(terms(" ".join(_PARAMETER.findall(read["signature"]))))
        most = _SENTENCES_DETAIL
    elif len(goal.names) > 1:
        most = _SENTENCES_DETAIL
    by_fit = sorted(
        range(1, len(found)), key=lambda number: (-len(asked.intersection(terms(found[number]))), number)
    )
    chosen = [number for number in by_fit if len(goal.names) > 1 or asked.intersection(terms(found[number]))]
    return [found[number] for number in sorted([0, *chosen[: most - 1]])]


def sentences(text: str) -> list[str]:
    """Gives the sentences of a docstring in order, without examples."""
    found: list[str] = []
    for paragraph in re.split(r"\n\s*\n", text):
        if paragraph.lstrip().startswith(">>>"):
            continue
        lines = [line.strip() for line in paragraph.splitlines()]
        joined = " ".join(line if not line.startswith("- ") else f"{line[2:]};" for line in lines)
        found.extend(
            sentence[:_SENTENCE_CHARS_MAX] for sentence in _SENTENCE_END.split(joined) if sentence.strip()
        )
    return found


def computed(step: Step) -> str:
    """Gives the sentence that says what the calculator found, or why it found nothing."""
    if "error" in step.result:
        return f"This cannot be computed: {step.result['error']}."
    return f"{step.result['expression']} = {step.result['value']}"


def compose(run: Run) -> dict[str, Any]:
    """Gives the answer: a text with numbered citations, and what they cite."""
    citations: list[dict[str, str]] = []
    parts = [_part(run, number, goal, citations) for number, goal in enumerate(run.goals)]
    sources = [f"[{number}] {cited['name']}, {cited['where']}" for number, cited in enumerate(citations, 1)]
    return {"text": "\n\n".join([*parts, *(["\n".join(sources)] if sources else [])]), "citations": citations}


def _part(run: Run, number: int, goal: Goal, citations: list[dict[str, str]]) -> str:
    found = [f"{goal.text}:"]
    if compared := _compared(run, number, citations):
        return f"{found[0]}\n{_indented(compared)}"
    for text, source, where in _findings(run, number):
        mark = f" [{_cite(citations, source, where)}]" if source else ""
        found.append(_indented(text + mark))
    if len(found) == 1:
        return f"{found[0]}\n  I found nothing about this in the standard library."
    if see_also := _see_also(run, number):
        found.append(f"  See also: {', '.join(see_also)}")
    return "\n".join(found)


def _findings(run: Run, number: int) -> list[tuple[str, str, str]]:
    """Gives text, source and place of each finding of a goal; what was recalled comes first."""
    found: list[tuple[str, str, str]] = []
    for step in run.of_goal(number):
        match step.call.tool:
            case "recall":
                found.extend(
                    (note["text"], note["source"], f"in the notebook since run {note['run_id']}")
                    for note in step.result.get("notes", ())
                )
            case "modules":
                found.extend(
                    (f"{one['name']}: {one['summary']}", "", "") for one in step.result.get("modules", ())
                )
            case "note" if "error" not in step.result:
                source = step.call.arguments.get("source", "")
                found.append((step.call.arguments["text"], source, _place(run, source)))
    return found


def _place(run: Run, source: str) -> str:
    places = [step.result["where"] for step in run.steps if step.result.get("name") == source]
    return places[0] if places else ""


def _cite(citations: list[dict[str, str]], name: str, where: str) -> int:
    for number, cited in enumerate(citations, 1):
        if cited["name"] == name:
            return number
    citations.append({"name": name, "where": where})
    return len(citations)


def _compared(run: Run, number: int, citations: list[dict[str, str]]) -> str:
    """Says what two documents both say, and what only one of them does; empty unless they share something."""
    reads = [step.result for step in run.of_goal(number, "read") if "error" not in step.result]
    if len(reads) != 2:
        return ""
    first, second = (sentences(read["text"]) for read in reads)
    shared = [sentence for sentence in first if sentence in second]
    if not shared:
        return ""
    lines = [f"{read['name']}{read['signature']}" for read in reads]
    lines.append(f"Both: {' '.join(shared)}")
    for read, said in zip(reads, (first, second), strict=True):
        own = " ".join(sentence for sentence in said if sentence not in shared)
        lines.append(
            f"Only {read['name']}: {own or 'nothing more.'} [{_cite(citations, read['name'], read['where'])}]"
        )
    return "\n".join(lines)


def _see_also(run: Run, number: int) -> list[str]:
    if run.goals[number].kind not in ("find", "module"):
        return []
    hits = [hit for step in run.of_goal(number, "search") for hit in step.result.get("hits", ())]
    good = [hit["name"] for hit in hits[1:] if hit["score"] >= _SEE_ALSO_SHARE * hits[0]["score"]]
    return good[:_SEE_ALSO_MAX]


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
