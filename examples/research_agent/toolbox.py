"""The tools the agent has: what it can really do, each called with text and answering JSON.

Nothing here changes the world. What a tool wants kept (a note) is given back and committed with the step, so
a step that was interrupted can be done again.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

from examples.research_agent.calculator import CalculatorError, calculate
from examples.research_agent.corpus import Doc
from examples.research_agent.library import Library
from examples.research_agent.notebook import Notebook
from examples.research_agent.runs import Note

_ARGUMENT_CHARS_MAX: Final = 4_000
_DOC_CHARS_MAX: Final = 6_000
_SOURCE_LINES_MAX: Final = 40
_MODULES_MAX: Final = 12
_SUMMARY_CHARS_MAX: Final = 160


class ToolError(Exception):
    """A tool could not do what it was asked; the text says why, to whoever asked."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a tool gave, and the note that has to be kept, if any."""

    result: dict[str, Any]
    note: Note | None = None


class Tools(Protocol):
    """Something that does what a `Call` says."""

    def describe(self) -> dict[str, str]:
        """Gives each tool's parameters and what it is for, by name."""
        ...

    def call(self, tool: str, arguments: dict[str, Any]) -> Outcome:
        """Calls a tool.

        Raises:
            ToolError: There is no such tool, the arguments do not fit, or it found nothing to do it with.
        """
        ...


class Toolbox:
    """The tools over a library and a notebook.

    Args:
        open_library: Gives the library; called when a tool first needs it, since opening it takes a moment.
        notebook: The notebook.
    """

    def __init__(self, open_library: Callable[[], Library], notebook: Notebook) -> None:
        self._open_library = open_library
        self._opened: Library | None = None
        self._notebook = notebook
        self._tools: Final[dict[str, Callable[..., Outcome]]] = {
            "search": self._search,
            "read": self._read,
            "source": self._source,
            "modules": self._modules,
            "calculate": self._calculate,
            "recall": self._recall,
            "note": self._note,
        }

    def describe(self) -> dict[str, str]:
        """Gives each tool's parameters and what it is for, by name."""
        return {
            name: f"({', '.join(inspect.signature(tool).parameters)}): {inspect.getdoc(tool)}"
            for name, tool in self._tools.items()
        }

    def call(self, tool: str, arguments: dict[str, Any]) -> Outcome:
        """Calls a tool.

        Raises:
            ToolError: There is no such tool, the arguments do not fit, or it found nothing to do it with.
        """
        function = self._tools.get(tool)
        if function is None:
            raise ToolError(f"there is no tool {tool!r}; there are {', '.join(self._tools)}")
        for name, value in arguments.items():
            if not isinstance(value, str) or len(value) > _ARGUMENT_CHARS_MAX:
                raise ToolError(f"{tool}: {name} must be text of at most {_ARGUMENT_CHARS_MAX} characters")
        try:
            inspect.signature(function).bind(**arguments)
        except TypeError as error:
            raise ToolError(f"{tool}: {error}") from None
        return function(**arguments)

    @property
    def _library(self) -> Library:
        if self._opened is None:
            self._opened = self._open_library()
        return self._opened

    def _search(self, query: str, within: str = "", near: str = "", modules_only: str = "") -> Outcome:
        """Searches all documentation, or within a module or class; near: prefer it; modules_only: yes."""
        hits = self._library.search(
            query, within=within, near=near, kind="module" if modules_only else None, limit=5
        )
        return Outcome({"hits": [_listed(hit.doc) | {"score": hit.score} for hit in hits]})

    def _read(self, name: str) -> Outcome:
        """Reads the documentation of one thing by its full name, such as datetime.date.fromisoformat."""
        doc = self._named(name)
        return Outcome(
            {
                "name": doc.name,
                "kind": doc.kind,
                "signature": doc.signature,
                "text": doc.text[:_DOC_CHARS_MAX],
                "where": doc.where,
            }
        )

    def _source(self, name: str) -> Outcome:
        """Reads the source code of one thing by its full name."""
        doc = self._named(name)
        source = self._library.source(doc, lines_max=_SOURCE_LINES_MAX)
        if not source:
            raise ToolError(f"{doc.name} is written in C; its source is not installed")
        return Outcome({"name": doc.name, "source": source, "where": doc.where})

    def _modules(self, about: str) -> Outcome:
        """Lists the modules about something."""
        hits = self._library.search(about, kind="module", limit=_MODULES_MAX)
        best = hits[0].score if hits else 0.0
        return Outcome({"modules": [_listed(hit.doc) for hit in hits if hit.score >= best / 4]})

    def _calculate(self, expression: str) -> Outcome:
        """Computes an arithmetic expression, such as 3 * 7 * 24."""
        try:
            return Outcome({"expression": expression, "value": calculate(expression)})
        except CalculatorError as error:
            raise ToolError(str(error)) from None

    def _recall(self, about: str) -> Outcome:
        """Looks in the notebook for what was found out about the same words before."""
        return Outcome({"notes": self._notebook.recall(about)})

    def _note(self, about: str, text: str, source: str = "") -> Outcome:
        """Keeps a finding: what it is about, what was found, and the full name it comes from."""
        if source and source not in self._library.docs:
            raise ToolError(f"nothing is documented under the name {source!r}, so a note cannot come from it")
        return Outcome({"kept": text}, Note(about, text, source))

    def _named(self, name: str) -> Doc:
        doc = self._library.docs.get(name.strip().removesuffix("()"))
        if doc is None:
            near = ", ".join(hit.doc.name for hit in self._library.search(name, limit=3))
            raise ToolError(
                f"nothing is documented under the name {name!r}" + (f"; near it: {near}" * bool(near))
            )
        return doc


def _listed(doc: Doc) -> dict[str, Any]:
    summary = doc.summary
    if len(summary) > _SUMMARY_CHARS_MAX:
        summary = summary[: _SUMMARY_CHARS_MAX - 1] + "…"
    return {"name": doc.name, "kind": doc.kind, "summary": summary}
