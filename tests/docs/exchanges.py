"""The calls on a page of the wire, as their reader would make them: what is sent, and what is answered.

A block of JSON has a title that says what it is:

=================== ==============================================================
title               the block is
=================== ==============================================================
``GetState``        a request of that call; of several, one after the other
``answer``          what is answered to the request before it
``answers``         each message of the stream that it opened, one after the other
``error NOT_FOUND`` the StatehouseError with which it failed, under that status
=================== ==============================================================

In what is compared, ``...`` inside a text stands for anything, and as a name for further members. A text like
``<txn>`` stands for what was answered where it was first said; later on the page it is that.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from tests.docs.fences import Fence
from tests.rpc.reflected import Json, ReflectedClient, ReflectedError

REST = "..."
ANSWERS = frozenset({"answer", "answers"})

_NAMED = re.compile(r"<[a-z]+>")


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request of a page, and what the page says comes of it."""

    call: str
    requests: list[Json]
    told: Fence

    @property
    def is_endless(self) -> bool:
        """Whether the stream does not end by itself."""
        return any(request.get("follow") for request in self.requests)


def exchanges(fences: list[Fence]) -> Iterator[Exchange]:
    """Gives what is sent on a page, each with what is answered."""
    sent: Fence | None = None
    for fence in fences:
        if fence.language != "json":
            continue
        is_outcome = fence.title in ANSWERS or fence.title.startswith("error ")
        assert is_outcome == (sent is not None), f"line {fence.line}: a request and its answer take turns"
        if sent is not None:
            yield Exchange(sent.title, objects(sent.body), fence)
        sent = None if is_outcome else fence
    assert sent is None, "the last request has no answer"


def objects(text: str) -> list[Json]:
    """Gives the JSON objects that stand one after the other in a text."""
    decoder = json.JSONDecoder()
    found: list[Json] = []
    end = 0
    while rest := text[end:].lstrip():
        each, length = decoder.raw_decode(rest)
        found.append(each)
        end = len(text) - len(rest) + length
    return found


class Reader:
    """Makes the calls of one page.

    Args:
        client: To a daemon with an empty store.
    """

    def __init__(self, client: ReflectedClient) -> None:
        self._client = client
        self._named: dict[str, Any] = {}

    def differences(self, exchange: Exchange) -> list[str]:
        """Makes a call, and gives what is not as the page says."""
        said = objects(exchange.told.body)
        try:
            answered = self._answers(exchange, len(said))
        except ReflectedError as error:
            title, answered = f"error {error.status.name}", [error.error or {}]
        else:
            title = "answer" if exchange.told.title == "answer" else "answers"
        wrong = [] if title == exchange.told.title else [f"it is an {title}"]
        return wrong + list(self._compare("", said, answered))

    def _answers(self, exchange: Exchange, count: int) -> list[Json]:
        requests = [self._filled(request) for request in exchange.requests]
        stream = self._client.stream(exchange.call, requests)
        try:
            answered = list(islice(stream, count) if exchange.is_endless else stream)
        finally:
            stream.close()
        return [_together(answered)] if exchange.call == "Pipeline" else answered

    def _filled(self, value: Any) -> Any:
        match value:
            case dict():
                return {name: self._filled(each) for name, each in value.items()}
            case list():
                return [self._filled(each) for each in value]
            case str() if _NAMED.fullmatch(value):
                return self._named[value]
        return value

    def _compare(self, path: str, said: Any, answered: Any) -> Iterator[str]:
        match said, answered:
            case dict(), dict() if said.keys() == answered.keys() or said.keys() - answered.keys() == {REST}:
                for name in said.keys() - {REST}:
                    yield from self._compare(f"{path}.{name}", said[name], answered[name])
            case list(), list() if len(said) == len(answered):
                for number, pair in enumerate(zip(said, answered, strict=True)):
                    yield from self._compare(f"{path}[{number}]", *pair)
            case str(), _ if _NAMED.fullmatch(said):
                if self._named.setdefault(said, answered) != answered:
                    yield f"{path}: {said} was {self._named[said]!r}, and is {answered!r}"
            case str(), str() if _agrees(said, answered):
                pass
            case _ if said != answered or isinstance(said, bool) is not isinstance(answered, bool):
                yield f"{path}: the page says {json.dumps(said)}, it was {json.dumps(answered)}"


def _agrees(said: str, answered: str) -> bool:
    pattern = ".*".join(map(re.escape, said.split("...")))
    return re.fullmatch(pattern, answered, re.DOTALL) is not None


def _together(batches: list[Json]) -> Json:
    """Shows the replies of a pipeline in order of their ids: which travel together is a matter of luck."""
    items = [item for batch in batches for item in batch["items"]]
    return {"items": sorted(items, key=lambda item: int(item["id"]))}
