"""Texts of items become vectors: LangGraph's ``index`` configuration, and the function that it names.

Embedding is slow and may fail, so it is done before anything is read or committed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from langgraph.store.base import ensure_embeddings, get_text_at_path, tokenize_path

from statehouse import InvalidArgumentError
from statehouse_langgraph.opening import check_mapping
from statehouse_langgraph.store.records import VectorRecord

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from langgraph.store.base import Embeddings

    Floats = npt.NDArray[np.float32]

_WHOLE: Final = "$"


@dataclass(frozen=True, slots=True)
class Index:
    """What semantic search is configured to do.

    Attributes:
        dims: How many numbers a vector has.
        embeddings: What makes vectors of texts.
        fields: The parts of a value to embed, where a put names none.
    """

    dims: int
    embeddings: Embeddings
    fields: tuple[str, ...]

    @classmethod
    def of(cls, given: Mapping[str, Any] | None) -> Index | None:
        """Reads LangGraph's way to say it.

        Raises:
            InvalidArgumentError: A part is missing or makes no sense.
            ImportError: numpy is not installed.
        """
        if given is None:
            return None
        check_mapping("index", given, "{'dims': 384, 'embed': embed}")
        try:
            import numpy  # noqa: F401, ICN001, PLC0415 - optional; only that it is there matters here
        except ImportError:
            raise ImportError(
                "semantic search needs numpy: pip install 'statehouse-langgraph[search]'"
            ) from None
        dims = given.get("dims")
        if isinstance(dims, bool) or not isinstance(dims, int) or dims < 1:
            raise InvalidArgumentError(f"index dims must be how many numbers a vector has: {dims!r:.80}")
        if given.get("embed") is None:
            raise InvalidArgumentError(
                "index embed is missing: a function, an Embeddings, or 'provider:model'"
            )
        fields = given.get("fields") or [_WHOLE]
        return cls(dims, ensure_embeddings(given["embed"]), paths_of(fields))

    def texts(
        self, value: Mapping[str, Any], index: Literal[False] | Sequence[str] | None
    ) -> list[tuple[str, str]]:
        """Gives what to embed of a value: the path of each text, and the text."""
        if index is False:
            return []
        found: list[tuple[str, str]] = []
        for path in self.fields if index is None else paths_of(index):
            texts = get_text_at_path(value, path if path == _WHOLE else tokenize_path(path))
            if len(texts) == 1:
                found.append((path, texts[0]))
            else:
                found += [(f"{path}.{at}", text) for at, text in enumerate(texts)]
        return found

    def vectors(self, made: object, texts: Sequence[str]) -> dict[str, Floats]:
        """Gives the vector of each text from what the embedding function made.

        Raises:
            InvalidArgumentError: It did not make a vector of `dims` finite numbers for each text.
        """
        if not texts:
            return {}
        import numpy as np  # noqa: PLC0415 - optional

        try:
            rows = np.asarray(made, dtype=np.float32)
        except (TypeError, ValueError):
            rows = np.empty(0, dtype=np.float32)
        if rows.shape != (len(texts), self.dims):
            raise InvalidArgumentError(
                f"the embedding function must give {len(texts)} vectors of {self.dims} numbers (index dims); "
                f"what it gave has the shape {rows.shape}"
            )
        if not bool(np.isfinite(rows).all()):
            raise InvalidArgumentError("the embedding function gave a vector with an infinity, or no number")
        return dict(zip(texts, rows, strict=True))

    def record(self, texts: Iterable[tuple[str, str]], vectors: Mapping[str, Floats]) -> VectorRecord | None:
        """Gives the record of an item with these texts; None without texts."""
        pairs = list(texts)
        if not pairs:
            return None
        data = b"".join(vectors[text].astype("<f4").tobytes() for _, text in pairs)
        return VectorRecord(self.dims, tuple(path for path, _ in pairs), data)


def paths_of(fields: object) -> tuple[str, ...]:
    """Checks the paths of the parts to embed.

    Raises:
        InvalidArgumentError: They are no list of texts.
    """
    given = [fields] if isinstance(fields, str) else fields
    if isinstance(given, list | tuple) and all(isinstance(path, str) and path for path in given):
        return tuple(given)
    raise InvalidArgumentError(f"the fields to index are a list of paths, such as ['text']: {fields!r:.80}")
