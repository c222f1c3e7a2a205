"""A client that is not ours, built on the stubs that protoc makes, as clients of the v1 protocol are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import pytest
from google.protobuf.struct_pb2 import Struct

from statehouse._generated import statehouse_pb2 as pb
from statehouse._generated.statehouse_pb2_grpc import StatehouseServiceStub
from statehouse.errors import StatehouseError
from statehouse.rpc.status import from_rpc_error


@contextmanager
def connected(address: str, **options: Any) -> Iterator[StatehouseServiceStub]:
    """A client with a connection of its own."""
    settings = [("grpc.use_local_subchannel_pool", 1), *options.items()]
    with grpc.insecure_channel(address, options=settings) as channel:
        yield StatehouseServiceStub(channel)


def struct(value: dict[str, Any]) -> Struct:
    """A value as this client writes it."""
    message = Struct()
    message.update(value)
    return message


def put(stub: StatehouseServiceStub, key: str, value: dict[str, Any], *, agent: str = "a") -> int:
    """A whole transaction, as this client makes one; gives its commit_ts."""
    txn_id = stub.BeginTransaction(pb.BeginTransactionRequest()).txn_id
    stub.Write(pb.WriteRequest(txn_id=txn_id, agent_id=agent, key=key, value=struct(value)))
    return int(stub.Commit(pb.CommitRequest(txn_id=txn_id)).commit_ts)


def begin(stub: StatehouseServiceStub, *keys: str, timeout_ms: int = 30_000) -> str:
    """An open transaction that writes these keys; gives its id."""
    txn_id = str(stub.BeginTransaction(pb.BeginTransactionRequest(timeout_ms=timeout_ms)).txn_id)
    for key in keys:
        stub.Write(pb.WriteRequest(txn_id=txn_id, agent_id="a", key=key, value=struct({"key": key})))
    return txn_id


def commit(stub: StatehouseServiceStub, txn_id: str, **options: Any) -> int:
    """Commits a transaction; gives its commit_ts."""
    return int(stub.Commit(pb.CommitRequest(txn_id=txn_id), **options).commit_ts)


def get(stub: StatehouseServiceStub, key: str, **fields: Any) -> pb.GetStateResponse:
    """Reads a key."""
    answer = stub.GetState(pb.GetStateRequest(agent_id="a", key=key, **fields))
    assert isinstance(answer, pb.GetStateResponse)
    return answer


class Refusal:
    """How a call was refused.

    Attributes:
        error: What our own client would raise.
    """

    error: StatehouseError


@contextmanager
def refused(status: grpc.StatusCode, match: str | None = None) -> Iterator[Refusal]:
    """Expects a call to be refused with a status and words."""
    found = Refusal()
    with pytest.raises(grpc.RpcError, match=match) as caught:
        yield found
    failed: Any = caught.value
    assert failed.code() is status
    found.error = from_rpc_error(failed)
