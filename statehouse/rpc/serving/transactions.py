"""BeginTransaction, Write, Delete, Commit, Abort: the table of `staged`, with an engine, a timer and a log.

A Commit that was sent to the engine goes on without those who wait for it: a client that went away, or whose
deadline passed, asks again and joins it, or is told what became of it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Final

from statehouse._generated import statehouse_pb2 as pb
from statehouse.errors import InvalidArgumentError
from statehouse.protocol.deadlines import begun_too_late
from statehouse.protocol.origin import NO_ORIGIN, Origin
from statehouse.protocol.replies import Committed
from statehouse.protocol.requests import Commit, Delete, GetMany, LookupTxn, Write
from statehouse.rpc.codec.names import key_in
from statehouse.rpc.codec.values import payload_of
from statehouse.rpc.serving.answers import Answer, Answers, caller_of, facts, going_down, guarded
from statehouse.rpc.serving.received import received
from statehouse.rpc.serving.staged import Done, Join, LookUp, Send, StagedTransactions

_log: Final = logging.getLogger("statehouse.txn")

_TIMEOUT_MS: Final = 30_000
_SWEEP_S: Final = 1.0

_WRITTEN: Final = pb.WriteResponse().SerializeToString()
_DELETED: Final = pb.DeleteResponse().SerializeToString()
_ABORTED: Final = pb.AbortResponse().SerializeToString()


class Transactions:
    """Serves BeginTransaction, Write, Delete, Commit and Abort.

    Args:
        answers: What answers.
        staged: The table of open transactions.
    """

    def __init__(self, answers: Answers, staged: StagedTransactions) -> None:
        self._answers = answers
        self._staged = staged
        self._loop = asyncio.get_running_loop()
        self._committing: dict[str, asyncio.Task[int | BaseException]] = {}
        self._sweep: asyncio.TimerHandle | None = None
        self._draining = False

    def calls(self) -> Mapping[str, Answer]:
        """Gives the handlers of the calls that ask for little, by the names of the calls."""
        answered = {
            "BeginTransaction": self._begin,
            "Delete": self._delete,
            "Commit": self._commit,
            "Abort": self._abort,
        }
        return {rpc: guarded(rpc, answer) for rpc, answer in answered.items()}

    def large_calls(self) -> Mapping[str, Answer]:
        """Gives what answers the calls that may ask for much; see `Intake`."""
        return {"Write": self._write}

    def __len__(self) -> int:
        return len(self._staged)

    def drain(self) -> None:
        """Forgets what is open, and opens nothing more; what is being committed is."""
        self._draining = True
        if self._sweep is not None:
            self._sweep.cancel()
        if count := self._staged.drop():
            _log.info("%d open transactions dropped: the daemon is going down", count)

    async def close(self) -> None:
        """Takes back what is still queued; to be called when no call is running."""
        for committing in self._committing.values():
            committing.cancel()
        await asyncio.gather(*self._committing.values())

    async def _begin(self, data: bytes, context: Any) -> bytes:
        message = received(pb.BeginTransactionRequest, data)
        if self._draining:
            raise going_down()
        timeout_ms = message.timeout_ms if message.HasField("timeout_ms") else _TIMEOUT_MS
        made_at_ts = self._answers.engine.execute(GetMany(())).read_ts
        txn_id = self._staged.begin(timeout_ms, made_at_ts=made_at_ts)
        if self._sweep is None:
            self._sweep = self._loop.call_later(_SWEEP_S, self._sweep_now)
        self._tell("begun", txn_id, context, timeout_ms=timeout_ms)
        return pb.BeginTransactionResponse(txn_id=txn_id).SerializeToString()

    async def _write(self, data: bytes, context: Any) -> bytes:
        size = len(data)
        admission = self._answers.admission
        admission.enter(size)
        try:
            txn_id, write = await self._answers.code(size, _write_in, data)
        finally:
            admission.leave(size)
        self._staged.stage(txn_id, write)
        return _WRITTEN

    async def _delete(self, data: bytes, context: Any) -> bytes:
        message = received(pb.DeleteRequest, data)
        self._staged.stage(message.txn_id, Delete(key_in(message)))
        return _DELETED

    async def _commit(self, data: bytes, context: Any) -> bytes:
        txn_id = received(pb.CommitRequest, data).txn_id
        admission = self._answers.admission
        admission.enter(len(data))
        try:
            commit_ts = await self._committed(txn_id, context)
        finally:
            admission.leave(len(data))
        self._tell("committed", txn_id, context, commit_ts=commit_ts)
        return pb.CommitResponse(commit_ts=commit_ts).SerializeToString()

    async def _committed(self, txn_id: str, context: Any) -> int:
        caller = caller_of(context)
        asked = self._staged.commit(txn_id, Origin(*caller) if caller.trace_id else NO_ORIGIN)
        match asked:
            case Done(commit_ts):
                return commit_ts
            case LookUp():
                found = self._answers.engine.execute(LookupTxn(txn_id))
                return self._staged.resolve(txn_id, found)
            case Send(commit):
                committing = self._committing[txn_id] = asyncio.create_task(self._carry_out(commit))
            case Join():
                committing = self._committing[txn_id]
        await asyncio.wait((committing,))
        told = committing.result()
        if isinstance(told, BaseException):
            raise told
        return told

    async def _carry_out(self, commit: Commit) -> int | BaseException:
        """Commits, and gives what all who wait for it are told."""
        outcome: Committed | BaseException
        try:
            outcome = await self._answers.ask(commit)
        except BaseException as error:  # noqa: BLE001 - whatever it is, the table must hear of it
            outcome = begun_too_late(commit) if isinstance(error, asyncio.CancelledError) else error
        told = self._staged.settle(commit.txn_id, outcome)
        del self._committing[commit.txn_id]
        if isinstance(told, BaseException):
            _log.info(
                "transaction %s not committed: %s", commit.txn_id, told, extra={"txn_id": commit.txn_id}
            )
        return told

    async def _abort(self, data: bytes, context: Any) -> bytes:
        txn_id = received(pb.AbortRequest, data).txn_id
        if self._staged.abort(txn_id) is not None:
            self._staged.resolve_abort(txn_id, self._answers.engine.execute(LookupTxn(txn_id)))
        self._count("aborted")
        self._tell("aborted", txn_id, context)
        return _ABORTED

    def _sweep_now(self) -> None:
        for txn_id in self._staged.sweep():
            self._count("expired")
            _log.info("transaction %s expired", txn_id, extra={"txn_id": txn_id})
        self._sweep = self._loop.call_later(_SWEEP_S, self._sweep_now) if len(self._staged) else None

    def _count(self, status: str) -> None:
        if self._answers.meter is not None:
            self._answers.meter.ended(status)

    def _tell(self, what: str, txn_id: str, context: Any, **more: Any) -> None:
        if _log.isEnabledFor(logging.DEBUG):
            _log.debug("transaction %s %s", txn_id, what, extra=facts(context, txn_id=txn_id, **more))


def _write_in(data: bytes) -> tuple[str, Write]:
    message = received(pb.WriteRequest, data)
    key = key_in(message)
    if not message.HasField("value"):
        raise InvalidArgumentError(f"the write of {key} has no value; Delete takes a key's value away")
    return message.txn_id, Write(key, payload_of(message.value))
