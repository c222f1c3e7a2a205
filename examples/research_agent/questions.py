"""What a question asks for: its parts, and what each needs (to compute, names to read, something to find)."""

from __future__ import annotations

import ast
import re
from itertools import pairwise
from typing import Final

from examples.research_agent.calculator import EXPRESSION_CHARS_MAX, FUNCTIONS
from examples.research_agent.ranking import code_names
from examples.research_agent.runs import Goal
from examples.research_agent.terms import terms

_ANY_CASE: Final = re.IGNORECASE
_GOALS_MAX: Final = 6
_NAMES_MAX: Final = 4

# From the smallest unit on, how many of the one before it each is.
_SCALES: Final = (
    (("millisecond", 1), ("second", 1000), ("minute", 60), ("hour", 60), ("day", 24), ("week", 7)),
    (("bit", 1), ("byte", 8), ("kib", 1024), ("mib", 1024), ("gib", 1024), ("tib", 1024)),
    (("byte", 1), ("kb", 1000), ("mb", 1000), ("gb", 1000), ("tb", 1000)),
)
_NUMBER: Final = r"\d+(?:\.\d+)?"
_HOW_MANY: Final = re.compile(
    rf"how many (\w+?)s? (?:are |is )?(?:there )?(?:are )?(?:in|make) (?:an? |({_NUMBER}) )(\w+?)s?\b",
    _ANY_CASE,
)
_CONVERT: Final = re.compile(rf"\b({_NUMBER}) (\w+?)s? (?:in|to|as|into) (\w+?)s?\b", _ANY_CASE)
_PERCENT: Final = re.compile(rf"({_NUMBER}) ?(?:%|percent) of ({_NUMBER})", _ANY_CASE)
_SPOKEN: Final = ((" divided by ", " / "), (" times ", " * "), (" plus ", " + "), (" minus ", " - "))
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_ARITHMETIC: Final = re.compile(
    rf"(?:{_NUMBER}|\b(?:{'|'.join(FUNCTIONS)})(?=\()|\b(?:pi|tau|e)\b|\*\*|//|[-+*/%^(),]|\s)+"
)

_BETWEEN: Final = re.compile(
    r"\b(?:differences? between|compare|difference of) `?([\w.]+)(?:\(\))?`? (?:and|with|to) `?([\w.]+)",
    _ANY_CASE,
)
_SOURCE: Final = re.compile(r"\b(?:source(?: code)? (?:of|for)|how is|show (?:me )?the code of)\b", _ANY_CASE)
_MODULES: Final = re.compile(
    r"\b(?:which|what|list)(?: all)?(?: the)? modules\b(?: are| exist| is)?(.*)", _ANY_CASE
)
_MODULE: Final = re.compile(r"\b(?:which|what) module\b", _ANY_CASE)
_ITS: Final = re.compile(r"\b(?:its|their) `?(\w+)", _ANY_CASE)
_SENTENCE: Final = re.compile(r"(?<=[\w)`\"'])[.?!;](?:\s+|$)")
_AND: Final = re.compile(r",? (?:and|then|and then) ", _ANY_CASE)
_DETAIL: Final = re.compile(r"\b(?:accept|argument|parameter|option|signature|take)s?\b", _ANY_CASE)


def goals_of(question: str) -> tuple[Goal, ...]:
    """Gives what has to be found out to answer a question, in order; at least one goal."""
    goals: list[Goal] = []
    for sentence in _SENTENCE.split(question):
        for clause in _clauses(sentence):
            goal = goal_of(clause, first=not goals)
            if goal is not None:
                goals.append(goal)
    return tuple(goals[:_GOALS_MAX]) or (Goal(question.strip(), "find"),)


def goal_of(clause: str, *, first: bool = True) -> Goal | None:
    """Gives what one part of a question asks for; None when it has no word worth looking for.

    Args:
        clause: The part.
        first: Nothing comes before it, so "its" means nothing.
    """
    text = clause.strip(" ,.?!;")
    if expression := arithmetic_in(text):
        return Goal(text, "compute", expression=expression)
    if between := _BETWEEN.search(text):
        return Goal(text, "names", names=(between[1], between[2].rstrip(".")))
    names = tuple(code_names(text))[:_NAMES_MAX]
    if _SOURCE.search(text) and names:
        return Goal(text, "source", names=names)
    if (its := _ITS.search(text)) and not first:
        return Goal(text, "member", names=(its[1],))
    if names:
        return Goal(text, "names", names=names)
    if not terms(text):
        return None
    if listing := _MODULES.search(text):
        return Goal(text, "modules", names=(listing[1].strip() or text,))
    return Goal(text, "module" if _MODULE.search(text) else "find")


def wants_detail(goal: Goal) -> bool:
    """Says whether a goal asks what something accepts, rather than what it does."""
    return _DETAIL.search(goal.text) is not None


def _clauses(sentence: str) -> list[str]:
    """Splits at "and" where both sides ask for something; "read and write files" is one thing."""
    if _BETWEEN.search(sentence) or arithmetic_in(sentence):
        edges = [match for match in _AND.finditer(sentence) if _asks_anew(sentence[match.end() :])]
    else:
        edges = list(_AND.finditer(sentence))
    starts = [0, *(match.end() for match in edges)]
    ends = [*(match.start() for match in edges), len(sentence)]
    parts = [sentence[start:end] for start, end in zip(starts, ends, strict=True)]
    clauses = parts[:1]
    for before, part in pairwise(parts):
        whole = len(_substance(before)) >= 2 and len(_substance(part)) >= 2
        if whole or _asks_anew(part):
            clauses.append(part)
        else:
            clauses[-1] += " and " + part
    return clauses


def _asks_anew(part: str) -> bool:
    return (
        re.match(r"\s*(?:what|which|how|when|where|who|why|does|is|can|list|compare|show)\b", part, _ANY_CASE)
        is not None
    )


def _substance(part: str) -> list[str]:
    return [*terms(part), *code_names(part)]


def arithmetic_in(text: str) -> str:
    """Gives the expression that a text asks to compute; empty when it asks for none."""
    if converted := _conversion(text):
        return converted
    if percent := _PERCENT.search(text):
        return f"{percent[2]} * {percent[1]} / 100"
    plain = _DATE.sub("date", text)
    for spoken, sign in _SPOKEN:
        plain = re.sub(rf"(?<=[\d)]){spoken}(?=[\d(a-z])", sign, plain)
    found = [_computable(match[0]) for match in _ARITHMETIC.finditer(plain)]
    return max(found, key=len, default="")


def _computable(candidate: str) -> str:
    expression = candidate.replace("^", "**").strip(" ,")
    if not expression or len(expression) > EXPRESSION_CHARS_MAX:
        return ""
    try:
        tree = ast.parse(expression, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""
    has_number = any(isinstance(node, ast.Constant) for node in ast.walk(tree))
    return expression if has_number and isinstance(tree, ast.BinOp | ast.Call) else ""


def _conversion(text: str) -> str:
    if many := _HOW_MANY.search(text):
        target, number, unit = many[1], many[2] or "1", many[3]
    elif convert := _CONVERT.search(text):
        number, unit, target = convert[1], convert[2], convert[3]
    else:
        return ""
    for scale in _SCALES:
        names = [name for name, _ in scale]
        if unit.lower() in names and target.lower() in names:
            low, high = sorted((names.index(unit.lower()), names.index(target.lower())))
            factor = " * ".join(str(times) for _, times in scale[high:low:-1])
            if not factor:
                return ""
            return f"{number} * {factor}" if names.index(unit.lower()) == high else f"{number} / ({factor})"
    return ""
