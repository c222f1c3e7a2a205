"""The calls that answer one request of the engine each, by the table of `statehouse.rpc.methods`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final

from google.protobuf.message import Message

from statehouse._generated import statehouse_pb2 as pb
from statehouse.errors import ErasedError
from statehouse.protocol.replies import Entry, EventPage, Read
from statehouse.protocol.requests import Commit, Get, GetAtVersion, Replay, Request
from statehouse.rpc.methods import BY_REQUEST, METHODS, Method
from statehouse.rpc.serving.answers import (
    INLINE_BYTES_MAX,
    Answer,
    Answers,
    Caller,
    ReplyTooLargeError,
    caller_of,
    guarded,
)
from statehouse.rpc.serving.received import received
from statehouse.rpc.serving.weights import is_quick, weight
from statehouse.rpc.sizes import MESSAGE_BYTES_MAX

_COMMIT: Final = BY_REQUEST[Commit]
_NO_WORDS: Final = pb.CommitTransactionRequest()


def calls(answers: Answers) -> Mapping[str, Answer]:
    """Gives the handlers of the calls that ask for little, by the names of the calls."""
    return {
        method.call: guarded(method.call, answer_to(method, answers))
        for method in METHODS
        if method is not _COMMIT
    }


def large_calls(answers: Answers) -> Mapping[str, Answer]:
    """Gives what answers the calls that may ask for much; see `Intake`."""
    return {_COMMIT.call: partial(_commit, answers)}


async def _commit(answers: Answers, data: bytes, context: Any) -> bytes:
    size = len(data)
    answers.admission.enter(size)
    try:
        commit = await answers.code(size, _commit_in, data)
        # While it waits to be written, its values are in memory once.
        del data
        commit = _traced(commit, caller_of(context))
        committed = await answers.ask(commit)
        return _COMMIT.encode_reply(_NO_WORDS, commit, committed).SerializeToString()
    finally:
        answers.admission.leave(size)


def _traced(commit: Commit, caller: Caller) -> Commit:
    """A commit whose origin names no trace is one of the trace that the call belongs to."""
    if commit.origin.trace_id or commit.origin.span_id or not caller.trace_id:
        return commit
    return replace(commit, origin=replace(commit.origin, **caller._asdict()))


def _commit_in(data: bytes) -> Commit:
    commit = _COMMIT.decode(received(pb.CommitTransactionRequest, data))
    assert isinstance(commit, Commit)
    return commit


def answer_to(method: Method, answers: Answers) -> Answer:
    """Gives what answers one method: at once what is quick, and else by way of the engine's threads."""
    asked, decode, encode_reply = method.asked, method.decode, method.encode_reply
    execute = answers.engine.execute

    async def answer(data: bytes, context: Any) -> bytes:
        if len(data) <= INLINE_BYTES_MAX:
            message = received(asked, data)
            request = decode(message)
            if is_quick(request):
                try:
                    reply = execute(request)
                except ErasedError as error:
                    reply = erased(message, request, error)
                if weight(reply) <= INLINE_BYTES_MAX:
                    return encode_reply(message, request, reply).SerializeToString()
                # Read it again when its turn to be held has come.
                del reply
        return await slow(data, context)

    async def slow(data: bytes, context: Any) -> bytes:
        size = len(data)
        admission = answers.admission
        admission.enter(size)
        try:
            message, request = await answers.code(size, decoded, data)
            if isinstance(request, Replay) and request.wait_s:
                await something(answers, request, timeout=context.time_remaining())
                request = replace(request, wait_s=0.0)
            async with answers.pages:
                reply = await read(answers, message, request, timeout=context.time_remaining())
                return await answers.code(weight(reply), encoded, method, message, request, reply)
        finally:
            admission.leave(size)

    def decoded(data: bytes) -> tuple[Message, Request[Any]]:
        message = received(asked, data)
        return message, decode(message)

    return answer


async def something(answers: Answers, request: Replay, *, timeout: float | None = None) -> EventPage:
    """Waits until a replay has an event, or its time is over; only that page is empty whose wait was in vain.

    What many wait for at once, they read one after another: a page that each holds would be a page for each.
    """
    return await answers.ask(replace(request, limit=1, payloads=False), timeout=timeout)


async def read(answers: Answers, message: Any, request: Request[Any], *, timeout: float | None) -> Any:
    """Reads what was asked for, and says of an erased value what the form of the answer can say."""
    try:
        return await answers.ask(request, timeout=timeout)
    except ErasedError as error:
        return erased(message, request, error)


def encoded(method: Method, message: Any, request: Request[Any], reply: Any) -> bytes:
    """The bytes of a reply.

    Raises:
        ReplyTooLargeError: No message can hold them.
    """
    answer = method.encode_reply(message, request, reply)
    size = answer.ByteSize()
    if size > MESSAGE_BYTES_MAX:
        raise too_large(
            size, MESSAGE_BYTES_MAX, "ask for VALUES_AS_PAYLOAD, or for a smaller page: set `limit`"
        )
    return answer.SerializeToString()


def too_large(size: int, size_max: int, advice: str) -> ReplyTooLargeError:
    """The refusal of an answer; its words are those of gRPC where a client refuses one."""
    return ReplyTooLargeError(f"the answer is larger than max ({size} vs. {size_max}): {advice}")


def erased(message: Any, request: Request[Any], error: ErasedError) -> Read:
    """What is read where a value was erased, for a client that reads Structs and is to see so (WIRE.md).

    Raises:
        ErasedError: Others are told by the error.
    """
    if not isinstance(request, Get | GetAtVersion) or message.values == pb.VALUES_AS_PAYLOAD:
        raise error
    found = error.details
    if not {"version", "commit_ts", "read_ts"} <= found.keys():
        raise error
    entry = Entry(request.key, None, found["version"], found["commit_ts"], "erased")
    return Read(entry, found["read_ts"])
