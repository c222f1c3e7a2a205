"""Event loops whose lane is open: what they ask goes by a connection of their own, for sure."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager
from typing import Any

import grpc
import pytest

from statehouse import StatehouseAsync
from statehouse._generated import statehouse_pb2 as pb
from statehouse.errors import StatehouseError
from statehouse.protocol.engine import Engine
from statehouse.protocol.requests import Health, Request
from statehouse.rpc.calling import RemoteEngine
from statehouse.rpc.calling.call import Call, Carrier
from statehouse.rpc.calling.engine import LoopEngine
from statehouse.rpc.calling.lane import Lane
from statehouse.rpc.methods import BY_FIELD, METHODS, parse
from statehouse.rpc.status import to_message
from tests.rpc.daemons import WAIT_S, eventually, serving_calls


def eager(monkeypatch: pytest.MonkeyPatch, *, asked: int = 0, pause_s: float = 0.0) -> None:
    """Has lanes be opened for whoever asks so often, and so long after they were lost."""
    monkeypatch.setattr("statehouse.rpc.calling.lane.ASKED_MIN", asked)
    monkeypatch.setattr("statehouse.rpc.calling.lane._PAUSE_S", pause_s)


async def until(holds: Callable[[], object]) -> None:
    """As `eventually`; meanwhile the loop is at work."""
    await asyncio.to_thread(eventually, holds)


def ask(near: LoopEngine, request: Request[Any]) -> Call:
    """Asks, and gives what knows which way it goes."""
    call = near.submit(request)
    assert isinstance(call, Call)
    return call


def goes_by(call: Call, carrier: Carrier) -> bool:
    """Whether something has a call sent, or had when it was answered."""
    return call.carrier is carrier


async def answer(near: LoopEngine, request: Request[Any]) -> Any:
    """Asks, and waits."""
    return await asyncio.wrap_future(near.submit(request))


async def opened(near: LoopEngine) -> Lane:
    """Asks until the lane is open, and gives it."""
    async with asyncio.timeout(WAIT_S):
        while not near.lane.is_open:
            await answer(near, Health())
    return near.lane


@asynccontextmanager
async def by_lane(remote: RemoteEngine) -> AsyncIterator[LoopEngine]:
    """How the running loop asks by a lane; it is closed afterwards, and nothing of it is left in the loop."""
    near = remote.in_loop()
    try:
        await opened(near)
        yield near
    finally:
        near.close()
        await near.gone()


def near_of(sh: StatehouseAsync) -> LoopEngine | None:
    """How the running loop asks through a handle; None before it did, and for what is not remote."""
    waits = sh.connection.loops.get(asyncio.get_running_loop())
    way: Any = None if waits is None else waits._way
    while way is not None and not isinstance(way, LoopEngine):
        way = getattr(way, "engine", None)
    return way


async def warmed(sh: StatehouseAsync) -> Lane:
    """Asks through a handle until the lane of the running loop is open, and gives it."""
    await sh.health()
    near = near_of(sh)
    assert near is not None
    return await opened(near)


def others() -> set[str]:
    """The names of the tasks that are in the running loop besides the one that asks."""
    return {task.get_name() for task in asyncio.all_tasks() - {asyncio.current_task()}}


def rambling(engine: Engine, said: Callable[[pb.ReplyBatch], bytes]) -> AbstractContextManager[str]:
    """A server that serves its first pipeline well, which is the link's; in others it garbles batches."""
    streams: list[object] = []

    def talk(asked: Iterator[bytes], context: Any) -> Iterator[bytes]:
        streams.append(context)
        first = len(streams) == 1
        context.send_initial_metadata(())
        for data in asked:
            replies = pb.ReplyBatch()
            for item in parse(pb.RequestBatch, data).items:
                _reply(engine, item, replies)
            yield replies.SerializeToString() if first else said(replies)

    calls = {method.call: grpc.unary_unary_rpc_method_handler(lambda _, __: b"") for method in METHODS}
    calls["Pipeline"] = grpc.stream_stream_rpc_method_handler(talk)
    return serving_calls(calls)


def _reply(engine: Engine, item: pb.RequestItem, replies: pb.ReplyBatch) -> None:
    kind = item.WhichOneof("request")
    if kind is None or kind == "cancel":
        return
    method, message = BY_FIELD[kind], getattr(item, kind)
    request = method.decode(message)
    reply = replies.items.add(id=item.id)
    try:
        said = method.encode_reply(message, request, engine.execute(request))
    except StatehouseError as error:
        reply.error.CopyFrom(to_message(error))
    else:
        getattr(reply, kind).CopyFrom(said)
