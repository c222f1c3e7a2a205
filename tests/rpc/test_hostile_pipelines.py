"""Pipelines that do what none should: ids twice, nonsense among sense, floods, replies that nobody reads."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any, Final

import grpc
import pytest

from statehouse._generated import statehouse_pb2 as pb
from statehouse.protocol.limits import KIB
from statehouse.rpc.serving import ServerOptions
from statehouse.rpc.sizes import ITEM_BYTES_MAX, STREAM_BYTES_MAX
from tests.rpc.daemons import eventually
from tests.rpc.raw import Outcome, RawClient, batch, item, raw, tagged, varint
from tests.rpc.surfaces import AGENT, NAMESPACE, SPAN, TRACE, World, attacked

GET: Final = pb.GetStateRequest(namespace=NAMESPACE, agent_id=AGENT, key="a").SerializeToString()
WAIT: Final = pb.ReplayPageRequest(from_ts=1000, wait_ms=60_000).SerializeToString()
NONSENSE: Final = "INVALID_ARGUMENT INVALID_ARGUMENT"


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with attacked() as world:
        yield world


class Conversation:
    """A pipeline that is open, fed by hand.

    Args:
        client: To the daemon.
    """

    def __init__(self, client: RawClient) -> None:
        self._more = threading.Semaphore(0)
        self._batches: list[bytes | None] = []
        self._call = client.open("Pipeline", self._feed())

    def _feed(self) -> Iterator[bytes]:
        while True:
            self._more.acquire()
            data = self._batches.pop(0)
            if data is None:
                return
            yield data

    def say(self, *items: bytes) -> None:
        """Sends a batch."""
        self._batches.append(batch(items))
        self._more.release()

    def hear(self, count: int) -> list[pb.ReplyItem]:
        """The next so many replies."""
        replies: list[pb.ReplyItem] = []
        while len(replies) < count:
            replies += pb.ReplyBatch.FromString(next(self._call)).items
        return replies

    def end(self) -> None:
        """Says that this was all, and gives up."""
        self._batches.append(None)
        self._more.release()
        self._call.cancel()


@pytest.fixture
def conversation(world: World) -> Iterator[Conversation]:
    opened = Conversation(world.client)
    yield opened
    opened.end()


def error_of(reply: pb.ReplyItem) -> str:
    return pb.ErrorCode.Name(reply.error.code)


@pytest.mark.parametrize("ident", [0, 1, 2**53 + 1, 2**63, 2**64 - 1])
def test_any_number_is_an_id(world: World, ident: int) -> None:
    found = world.client.items(item("get_state", GET, ident=ident))
    assert {number: outcome.status for number, outcome in found.items()} == {ident: "OK"}


@pytest.mark.parametrize("timeout_ms", [0, 2**31, 2**32 - 1])
def test_an_item_may_be_waited_for_as_long_as_one_likes(world: World, timeout_ms: int) -> None:
    found = world.client.items(item("status", b"", timeout_ms=timeout_ms))
    assert found[1].status == "OK"


@pytest.mark.parametrize(
    "traceparent, answer",
    [
        (f"00-{TRACE}-{SPAN}-01".encode(), "OK"),
        (b"line\nline\0", "OK"),
        (b"x" * 20_000, "OK"),
        # Not UTF-8, and so no batch.
        (b"\xff", NONSENSE),
    ],
)
def test_what_is_no_traceparent_is_not_one(world: World, traceparent: bytes, answer: str) -> None:
    found = world.client.items(item("get_state", GET) + tagged(3, traceparent))
    assert found[1].short == answer


def test_of_two_items_with_one_id_that_are_unanswered_the_second_is_refused(
    conversation: Conversation,
) -> None:
    conversation.say(item("replay_page", WAIT, ident=7), item("replay_page", WAIT, ident=7))
    [refused] = conversation.hear(1)
    assert (refused.id, error_of(refused)) == (7, "INVALID_ARGUMENT")
    conversation.say(item("cancel", b"", ident=7))
    [cancelled] = conversation.hear(1)
    assert (cancelled.id, error_of(cancelled)) == (7, "DEADLINE_EXCEEDED")


def test_an_id_may_be_used_again_once_it_is_answered(world: World) -> None:
    ended = world.client.calls("Pipeline", [batch([item("get_state", GET, ident=7)])] * 3)
    replies = [reply for data in ended.replies for reply in pb.ReplyBatch.FromString(data).items]
    assert [(reply.id, reply.WhichOneof("reply")) for reply in replies] == [(7, "get_state")] * 3


def test_cancelling_what_nobody_asked_is_no_error_and_has_no_answer(world: World) -> None:
    cancels = [item("cancel", b"", ident=ident) for ident in (0, 1, 5, 2**64 - 1)]
    found = world.client.items(*cancels, item("get_state", GET, ident=9))
    assert found.keys() == {9}


@pytest.mark.parametrize("oneof", [b"", tagged(9, b""), tagged(1999, b"new"), varint(10 << 3) + b"\x01"])
def test_an_item_that_asks_nothing_known_is_refused_and_the_others_are_answered(
    world: World, oneof: bytes
) -> None:
    found = world.client.items(b"\x08\x01" + oneof, item("get_state", GET, ident=2))
    assert [found[1].short, found[2].short] == [NONSENSE, "OK"]


def test_nonsense_is_refused_and_the_sense_around_it_is_answered(world: World) -> None:
    nonsense = pb.GetStateRequest(agent_id="\0", key="a").SerializeToString()
    items = [item("get_state", GET if ident % 2 else nonsense, ident=ident) for ident in range(100)]
    found = world.client.items(*items)
    assert [found[ident].short for ident in range(100)] == [NONSENSE, "OK"] * 50


def test_a_batch_of_a_hundred_thousand_items_is_answered_item_by_item(world: World) -> None:
    """Far more than may be unanswered: it is read on as they are."""
    data = batch(b"\x08" + varint(ident) + tagged(10, b"") for ident in range(1, 20_001))
    ended = world.client.calls("Pipeline", [data] * 5)
    idents = [reply.id for replies in ended.replies for reply in pb.ReplyBatch.FromString(replies).items]
    assert (ended.status, len(idents), set(idents)) == ("OK", 100_000, set(range(1, 20_001)))


def test_a_batch_of_more_parts_than_a_message_may_have_is_refused(world: World) -> None:
    before = world.everything()
    outcome = world.client.call("Pipeline", b"\x0a\x00" * 1_000_000)
    assert outcome.short == "INVALID_ARGUMENT LIMIT_EXCEEDED"
    assert world.everything() == before


@pytest.mark.parametrize("more, answer", [(0, "FAILED_PRECONDITION"), (1, "INVALID_ARGUMENT LIMIT_EXCEEDED")])
def test_an_item_may_have_256_kib(world: World, more: int, answer: str) -> None:
    commit = pb.CommitTransactionRequest(txn_id="large")
    commit.preconditions.add(name=pb.RecordName(agent_id=AGENT, key="k"), version=9)
    commit.changes.add(agent_id=AGENT, key="k").payload.data = bytes(ITEM_BYTES_MAX - 100)
    commit.txn_id += "x" * (
        ITEM_BYTES_MAX + more - len(item("commit_transaction", commit.SerializeToString()))
    )
    said = item("commit_transaction", commit.SerializeToString())
    assert len(said) == ITEM_BYTES_MAX + more
    found = world.client.items(said, item("get_state", GET, ident=2))
    assert found[1].short.startswith(answer)
    assert found[2].status == "OK"


@pytest.mark.parametrize("field", ["begin_transaction", "write", "list_keys", "replay"])
def test_what_is_no_item_has_no_place_in_a_pipeline(field: str) -> None:
    assert field not in pb.RequestItem.DESCRIPTOR.fields_by_name


def test_a_client_that_sends_and_never_reads_holds_no_more_than_its_share(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """And is cut off when it has taken nothing for so long; meanwhile nobody else notices."""
    with attacked(ServerOptions(stall_s=0.5)) as world:
        change = pb.Change(namespace=NAMESPACE, agent_id=AGENT, key="large")
        change.payload.data = bytes(200 * KIB)
        commit = pb.CommitTransactionRequest(txn_id="large", changes=[change])
        world.ask("CommitTransaction", commit, pb.CommitTransactionResponse)
        large = pb.GetStateRequest(
            namespace=NAMESPACE, agent_id=AGENT, key="large", values=pb.VALUES_AS_PAYLOAD
        )
        asked = item("get_state", large.SerializeToString())
        with raw(world.target) as deaf:
            sent = 0

            def flood() -> Iterator[bytes]:
                nonlocal sent
                for _ in range(1000):
                    sent += 1
                    yield batch([asked] * 100)

            call = deaf.open("Pipeline", flood())
            eventually(lambda: "a client took no replies" in caplog.text)
            # 100,000 items of 200 KiB were offered; a daemon that took them all would hold 20 GB.
            assert sent < 100
            with pytest.raises(grpc.RpcError):
                list(call)
            assert call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert world.client.call("Health", b"", timeout=1).status == "OK"


def test_pages_that_do_not_fit_any_more_are_to_be_asked_for_again() -> None:
    """All of a thousand were begun before the first was read, and bring more than a stream may hold."""
    with attacked() as world:
        for number in range(3):
            commit = pb.CommitTransactionRequest(txn_id=f"page-{number}")
            commit.changes.add(agent_id="pages", key=f"{number}").payload.data = bytes(60 * KIB)
            world.ask("CommitTransaction", commit, pb.CommitTransactionResponse)
        page = pb.ScanPrefixRequest(
            agent_id="pages", limit=10, values=pb.VALUES_AS_PAYLOAD
        ).SerializeToString()
        replies: list[Any] = []
        call = world.client.open("Pipeline", [batch(item("scan_prefix", page, ident=n) for n in range(1000))])
        for data in call:
            replies += pb.ReplyBatch.FromString(data).items
        kinds = [reply.WhichOneof("reply") for reply in replies]
        assert len(kinds) == 1000
        assert set(kinds) <= {"scan_prefix", "too_large"}
        assert kinds.count("scan_prefix") >= STREAM_BYTES_MAX // (200 * KIB)


def test_a_stream_that_is_dropped_leaves_nothing_waiting(world: World) -> None:
    opened = Conversation(world.client)
    opened.say(*[item("replay_page", WAIT, ident=ident) for ident in range(500)])
    eventually(lambda: status(world).followers == 500)
    opened.end()
    eventually(lambda: status(world).followers == 0)


def status(world: World) -> pb.StatusResponse:
    found: pb.StatusResponse = world.ask("Status", pb.StatusRequest(), pb.StatusResponse)
    return found


def test_half_a_batch_ends_its_stream_and_what_came_before_is_answered(world: World) -> None:
    outcome: Outcome = world.client.calls(
        "Pipeline", [batch([item("get_state", GET)]), batch([item("get_state", GET)])[:-1]]
    )
    assert outcome.short == NONSENSE
    assert world.client.item("get_state", GET).status == "OK"
