"""The library the agent reads in: the corpus, its ranking, and a file that saves building them again."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Final

from examples.research_agent.compiled import compiled_docs
from examples.research_agent.corpus import Doc, Kind, library_root, read_corpus
from examples.research_agent.ranking import Hit, Ranking, weigh

# Raised when what is in the file, or how it is weighed, changes.
_CACHE_FORMAT: Final = 1


class Library:
    """Everything the standard library says about itself, ready to be searched.

    Args:
        root: Where the files are that the documents name.
        docs: The documents; the first of a name wins.
        weights: What `weigh` gave for them.
    """

    def __init__(self, root: Path, docs: Sequence[Doc], weights: Sequence[dict[str, float]]) -> None:
        self._root = root
        self.docs: Final = {doc.name: doc for doc in reversed(docs)}
        self._ranking = Ranking(docs, weights)

    @classmethod
    def open(cls, cache: Path | None = None, *, root: Path | None = None) -> Library:
        """Gives the library of the running Python.

        Args:
            cache: A directory to keep what was read in: reading takes seconds, loading a fraction of one. A
                damaged file there is replaced, and a directory that cannot be written is done without.
            root: Where the library is; None for the running Python's.
        """
        root = library_root() if root is None else root
        if cache is None:
            return cls(root, *_read(root))
        path = cache / f"stdlib-{sys.implementation.cache_tag}-{sys.version_info.micro}-v{_CACHE_FORMAT}.json"
        if (loaded := _load(path, root)) is not None:
            return cls(root, *loaded)
        docs, weights = _read(root)
        _save(path, root, docs, weights)
        return cls(root, docs, weights)

    def search(
        self, query: str, *, kind: Kind | None = None, within: str = "", near: str = "", limit: int = 5
    ) -> list[Hit]:
        """Gives what fits a query best, best first.

        Args:
            query: Words and names, as people write them.
            kind: Only modules, classes, functions or methods.
            within: Only things inside this module or class.
            near: A module whose things are preferred.
            limit: How many.
        """

        def accept(doc: Doc) -> bool:
            return (kind is None or doc.kind == kind) and (not within or doc.name.startswith(within + "."))

        return self._ranking.search(query, limit=limit, accept=accept, near=near)

    def source(self, doc: Doc, *, lines_max: int) -> str:
        """Gives the first lines of what defines a thing; empty for what is compiled."""
        if not doc.file:
            return ""
        lines = (self._root / doc.file).read_text(encoding="utf-8", errors="replace").splitlines()
        start = doc.line - 1
        block = [lines[start]]
        indent = len(lines[start]) - len(lines[start].lstrip())
        for line in lines[start + 1 :]:
            text = line.strip()
            if (
                doc.kind != "module"
                and text
                and len(line) - len(line.lstrip()) <= indent
                and text[0] not in ")]"
            ):
                break
            block.append(line)
        while block and not block[-1].strip():
            block.pop()
        more = len(block) - lines_max
        return "\n".join(block[:lines_max]) + (f"\n… {more} more lines" if more > 0 else "")


def _read(root: Path) -> tuple[list[Doc], list[dict[str, float]]]:
    docs = read_corpus(root)
    known = {doc.name for doc in docs}
    docs.extend(doc for doc in compiled_docs() if doc.name not in known)
    return docs, weigh(docs)


def _load(path: Path, root: Path) -> tuple[list[Doc], list[dict[str, float]]] | None:
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
        if saved["root"] != str(root):
            return None
        return [Doc(*row) for row in saved["docs"]], saved["weights"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _save(path: Path, root: Path, docs: Sequence[Doc], weights: Sequence[dict[str, float]]) -> None:
    saved = {"root": str(root), "docs": [astuple(doc) for doc in docs], "weights": weights}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Two processes may build it at once, and either may be killed: a reader sees a whole file or none.
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False) as file:
            json.dump(saved, file, ensure_ascii=False)
        os.replace(file.name, path)  # noqa: PTH105 - a name, not a Path
    except OSError:
        return
