"""Real embeddings without a network: those of wordllama, a package that carries its model."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

DIMS: Final = 256


@cache
def _model() -> Any:
    import wordllama  # type: ignore[import-untyped]  # noqa: PLC0415 - loading a model takes a moment

    # Its words are in the package; without being told so it would look for them on the network.
    package = Path(wordllama.__file__).parent
    return wordllama.WordLlama.load(cache_dir=package, disable_download=True)


def embed(texts: Sequence[str]) -> list[list[float]]:
    """Gives a vector for each text."""
    vectors: list[list[float]] = _model().embed(list(texts), norm=True).tolist()
    return vectors
