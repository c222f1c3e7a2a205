"""Clients that send more than a daemon can do, in a process of their own.

    python tests/rpc/load.py TARGET STREAMS SECONDS    one line of JSON: what came of the items

Each stream sends commits and reads without waiting for any answer, as fast as the daemon reads them.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import grpc

from statehouse._generated import statehouse_pb2 as pb
from tests.rpc.raw import ALONE, RawClient, batch, item

BATCH_ITEMS: Final = 64
VALUE_BYTES: Final = 200
Client = subprocess.Popen[str]
ROOT: Final = Path(__file__).resolve().parent.parent.parent


class Flood:
    """One stream that does not wait.

    Args:
        target: Where the daemon is.
        until: When to stop sending, by the monotonic clock.
    """

    def __init__(self, target: str, until: float) -> None:
        self.outcomes: Counter[str] = Counter()
        self._until = until
        # A connection of its own, as if it were another client.
        self._client = RawClient(target, ALONE)
        self._name = uuid.uuid4().hex
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def join(self) -> Counter[str]:
        """Waits until everything is answered, and says how."""
        self._thread.join()
        self._client.close()
        return self.outcomes

    def _run(self) -> None:
        try:
            for data in self._client.open("Pipeline", self._batches()):
                for reply in pb.ReplyBatch.FromString(data).items:
                    self.outcomes[outcome_of(reply)] += 1
        except grpc.RpcError as error:
            self.outcomes[error.code().name] += 1

    def _batches(self) -> Iterator[bytes]:
        first = 1
        while time.monotonic() < self._until:
            yield batch(map(self._item, range(first, first + BATCH_ITEMS)))
            first += BATCH_ITEMS

    def _item(self, ident: int) -> bytes:
        field, message = self._commit(ident) if ident % 4 else self._read(ident)
        return item(field, message, ident=ident)

    def _commit(self, ident: int) -> tuple[str, bytes]:
        commit = pb.CommitTransactionRequest(txn_id=f"{self._name}-{ident}")
        commit.changes.add(agent_id=self._name, key=str(ident % 100)).payload.data = bytes(VALUE_BYTES)
        return "commit_transaction", commit.SerializeToString()

    def _read(self, ident: int) -> tuple[str, bytes]:
        return "get_state", pb.GetStateRequest(agent_id=self._name, key=str(ident % 100)).SerializeToString()


def outcome_of(reply: pb.ReplyItem) -> str:
    """In a word: OK, or the code of the error; with its retry_after, if it has one."""
    if reply.WhichOneof("reply") != "error":
        return "OK"
    code = pb.ErrorCode.Name(reply.error.code)
    return f"{code}, retry_after" if "retry_after" in reply.error.details else code


@contextmanager
def load(
    target: str, *, processes: int, streams: int, seconds: float
) -> Iterator[list[subprocess.Popen[str]]]:
    """Runs clients in processes of their own; each has so many streams."""
    command = [sys.executable, "-m", "tests.rpc.load", target, str(streams), str(seconds)]
    with ExitStack() as stack:
        clients = [
            stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT))
            for _ in range(processes)
        ]
        try:
            yield clients
        finally:
            for client in clients:
                client.kill()


def outcomes(clients: list[Client]) -> Counter[str]:
    """What came of everything that was sent."""
    total: Counter[str] = Counter()
    for client in clients:
        assert client.stdout is not None
        total.update(json.loads(client.stdout.read()))
    return total


def main(target: str, streams: str, seconds: str) -> None:
    """Sends, and prints what came of it."""

    until = time.monotonic() + float(seconds)
    floods = [Flood(target, until) for _ in range(int(streams))]
    total: Counter[str] = Counter()
    for flood in floods:
        total.update(flood.join())
    sys.stdout.write(json.dumps(total))


if __name__ == "__main__":
    main(*sys.argv[1:])
