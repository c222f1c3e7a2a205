"""What iterating over a replay or a scan gives: close it (or leave it to the collector) to stop early."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from typing import TypeVar

T = TypeVar("T")

Stream = Generator[T, None, None]
AsyncStream = AsyncGenerator[T, None]
