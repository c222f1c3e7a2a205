"""Replay and ReplayBatches: events as streams.

Invariants:

* R1. A stream holds one page, and reads the next when the client has taken it. Nothing of the engine is held
  between two pages: a page is asked for by its position.
* R2. A page is read when there is something to read: who waits for events holds no page while it waits.
* R3. No more pages are read, and turned into messages, at once than `Answers.pages` has places for, however
  many streams wake up at the same commit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from statehouse._generated import statehouse_pb2 as pb
from statehouse.errors import InvalidArgumentError
from statehouse.protocol.names import DEFAULT_NAMESPACE
from statehouse.protocol.replies import EventPage
from statehouse.protocol.requests import GetMany, Replay
from statehouse.rpc.codec.events import page_of, say_event
from statehouse.rpc.codec.names import integer
from statehouse.rpc.codec.values import check_form
from statehouse.rpc.serving.answers import Answers
from statehouse.rpc.serving.calls import something, too_large
from statehouse.rpc.serving.received import received
from statehouse.rpc.serving.streams import Streams
from statehouse.rpc.serving.weights import weight
from statehouse.rpc.sizes import CLASSIC_REPLY_BYTES_MAX, MESSAGE_BYTES_MAX

Stream = Callable[[bytes, Any], Awaitable[None]]
_Spell = Callable[[Replay, EventPage], list[bytes]]


class Replays:
    """Serves the streams of events.

    Args:
        answers: What answers.
        streams: Where they are counted.
        heartbeat_s: A stream that follows says at least so often how far it has looked, in seconds.
    """

    def __init__(self, answers: Answers, streams: Streams, *, heartbeat_s: float) -> None:
        self._answers = answers
        self._streams = streams
        self._heartbeat_s = heartbeat_s

    def calls(self) -> Mapping[str, Stream]:
        """Gives the handlers of these calls, by the names of the calls."""
        return {"Replay": self._replay, "ReplayBatches": self._batches}

    async def _replay(self, data: bytes, context: Any) -> None:
        serving = self._streams.serve("Replay", context, partial(self._events, data, context))
        # See `guarded`.
        del data
        await serving

    async def _batches(self, data: bytes, context: Any) -> None:
        serving = self._streams.serve("ReplayBatches", context, partial(self._pages, data, context))
        del data
        await serving

    async def _events(self, data: bytes, context: Any) -> None:
        """One event a message, each with the operations of the agent that was asked for."""
        message = received(pb.ReplayRequest, data)
        start = integer("start_ts", message.start_ts)
        end = integer("end_ts", message.end_ts) if message.HasField("end_ts") else None
        if end is not None and start > end:
            raise InvalidArgumentError(f"start_ts {start} lies after end_ts {end}")
        request = Replay(message.namespace or DEFAULT_NAMESPACE, message.agent_id, start, end)
        await self._to_the_end(request, _event_messages, context)

    async def _pages(self, data: bytes, context: Any) -> None:
        """Many events a message."""
        message = received(pb.ReplayBatchesRequest, data)
        check_form(message)
        request = Replay(
            message.namespace or DEFAULT_NAMESPACE if message.HasField("namespace") else None,
            message.agent_id if message.HasField("agent_id") else None,
            integer("from_ts", message.from_ts),
            integer("to_ts", message.to_ts) if message.HasField("to_ts") else None,
            payloads=message.values != pb.VALUES_LEFT_OUT,
            store_id=message.store_id,
            epoch=integer("epoch", message.epoch),
        )
        spell = partial(_page_messages, form=message.values)
        await (self._follow if message.follow else self._to_the_end)(request, spell, context)

    async def _to_the_end(self, request: Replay, spell: _Spell, context: Any) -> None:
        """Sends the events up to the newest one that there is now."""
        newest = self._answers.engine.execute(GetMany(())).read_ts
        last = newest if request.to_ts is None else min(request.to_ts, newest)
        if request.from_ts > last:
            # Nothing; but a request that makes no sense is told so.
            page = await self._answers.ask(replace(request, limit=1, payloads=False))
            through = max(last, request.from_ts - 1)
            nothing = replace(page, events=(), through_commit_ts=through, done=True)
            await self._send(_Said(spell(request, nothing), nothing), context)
            return
        request = replace(request, to_ts=last)
        while not (said := await self._send_page(request, spell, context)).end.done:
            request = request.after(said.end)

    async def _follow(self, request: Replay, spell: _Spell, context: Any) -> None:
        """Sends the events that there are, and those that come; says now and then how far was looked."""
        while not (said := await self._send_page(request, spell, context)).end.done:
            request = request.after(said.end)
            await something(self._answers, replace(request, wait_s=self._heartbeat_s))

    async def _send_page(self, request: Replay, spell: _Spell, context: Any) -> _Said:
        async with self._answers.pages:
            page = await self._answers.ask(request)
            said = _Said(await self._answers.code(weight(page), spell, request, page), page)
            del page
        await self._send(said, context)
        return said

    async def _send(self, said: _Said, context: Any) -> None:
        messages = said.messages
        while messages:
            await self._streams.send(context, messages.popleft())


class _Said:
    """A page as messages, and the page without its events: where it ends."""

    __slots__ = ("end", "messages")

    def __init__(self, messages: Iterable[bytes], page: EventPage) -> None:
        self.messages = deque(messages)
        self.end = replace(page, events=())


def _event_messages(request: Replay, page: EventPage) -> list[bytes]:
    said = []
    for event in page.events:
        message = pb.ReplayEvent()
        say_event(message, event, pb.VALUES_AS_STRUCT, namespace=request.namespace, agent_id=request.agent_id)
        said.append(_checked(message.SerializeToString()))
    return said


def _page_messages(request: Replay, page: EventPage, form: pb.ValueForm) -> list[bytes]:
    """A page; as several, where a client with default settings could not take it in one."""
    whole = page_of(page, form, namespace=request.namespace, agent_id=request.agent_id)
    data = whole.SerializeToString()
    events = page.events
    if len(data) <= CLASSIC_REPLY_BYTES_MAX or len(events) == 1:
        return [_checked(data)]
    half = len(events) // 2
    first = replace(page, events=events[:half], through_commit_ts=events[half - 1].commit_ts, done=False)
    second = replace(page, events=events[half:])
    return _page_messages(request, first, form) + _page_messages(request, second, form)


def _checked(data: bytes) -> bytes:
    if len(data) > MESSAGE_BYTES_MAX:
        raise too_large(len(data), MESSAGE_BYTES_MAX, "use ReplayBatches with VALUES_AS_PAYLOAD")
    return data
