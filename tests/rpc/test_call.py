"""One call: it is begun or cancelled, never both, and what is said of it afterwards is true."""

from __future__ import annotations

import threading
import time
from concurrent.futures import CancelledError, wait
from typing import Any

import pytest

from statehouse.errors import (
    ConflictError,
    ConnectionError,
    DeadlineExceededError,
    OutcomeUnknownError,
    OverloadedError,
    StatehouseError,
)
from statehouse.protocol.requests import Get, Replay, Request
from statehouse.rpc.calling.call import SENDINGS_MAX, Call
from statehouse.rpc.methods import BY_REQUEST
from statehouse.testing.contracts.engine_phrases import name, transaction, write

COMMIT = transaction(write(), txn_id="t")
LOST = ConnectionError("lost", url="here")


def call_of(request: Request[Any], message: Any = None, *, seconds: float = 60.0) -> Call:
    method = BY_REQUEST[type(request)]
    return Call(
        request,
        method,
        method.encode(request) if message is None else message,
        deadline=time.monotonic() + seconds,
        traceparent="",
    )


def begun(request: Request[Any], times: int = 1) -> Call:
    call = call_of(request)
    for _ in range(times):
        assert call.begin(time.monotonic())
    return call


def test_a_commit_that_was_cancelled_is_not_begun() -> None:
    call = call_of(COMMIT)
    assert call.cancel()
    assert not call.begin(time.monotonic())
    assert isinstance(call.late(), DeadlineExceededError)
    with pytest.raises(CancelledError):
        call.result(0)


def test_a_commit_that_was_begun_is_not_cancelled() -> None:
    call = begun(COMMIT)
    assert not call.cancel()
    assert call.abandoned
    assert isinstance(call.late(), OutcomeUnknownError)
    assert isinstance(call.lost(LOST), OutcomeUnknownError)


class Interleaved:
    """A message in the middle of whose sending its caller gives up."""

    def __init__(self) -> None:
        self.call: Call | None = None
        self.said: list[StatehouseError] = []

    def ByteSize(self) -> int:  # noqa: N802 - protobuf's name
        """Small."""
        return 100

    def __setattr__(self, attribute: str, value: object) -> None:
        object.__setattr__(self, attribute, value)
        if attribute == "timeout_ms" and self.call is not None and not self.call.cancel():
            self.said.append(self.call.late())


def test_who_gives_up_while_the_commit_is_being_sent_is_not_told_that_nothing_was_applied() -> None:
    """G5."""
    message = Interleaved()
    message.call = call_of(COMMIT, message)
    assert message.call.begin(time.monotonic())
    assert [type(error) for error in message.said] == [OutcomeUnknownError]


def test_of_many_who_begin_and_cancel_one_wins() -> None:
    for _ in range(200):
        call = call_of(COMMIT)
        ready = threading.Barrier(2)
        outcome: list[bool] = []

        def cancel(
            call: Call = call, ready: threading.Barrier = ready, outcome: list[bool] = outcome
        ) -> None:
            ready.wait()
            outcome.append(call.cancel())

        thread = threading.Thread(target=cancel)
        thread.start()
        ready.wait()
        began = call.begin(time.monotonic())
        thread.join()
        assert [began] == [not cancelled for cancelled in outcome]


def test_a_read_can_be_cancelled_whenever_it_is_not_answered() -> None:
    call = begun(Get(name()))
    assert call.cancel()
    assert call.cancel()
    assert wait([call], timeout=0).done == {call}
    call.complete("too late")
    call.fail(LOST)
    assert call.cancelled()


@pytest.mark.parametrize("answer", ["complete", "fail"])
def test_what_was_answered_is_not_cancelled(answer: str) -> None:
    call = begun(COMMIT)
    getattr(call, answer)(LOST)
    assert not call.cancel()
    assert call.wait(0)
    assert not call.begin(time.monotonic())


def test_a_call_whose_time_is_over_is_not_begun() -> None:
    for request in (COMMIT, Get(name())):
        call = call_of(request, seconds=-1.0)
        assert not call.begin(time.monotonic())
        with pytest.raises(DeadlineExceededError):
            call.result(0)


def test_a_commit_whose_time_ends_between_two_sendings_is_unknown() -> None:
    call = begun(COMMIT)
    assert not call.begin(call.deadline + 1)
    with pytest.raises(OutcomeUnknownError):
        call.result(0)


@pytest.mark.parametrize(
    "error", [OverloadedError("", retry_after=1.0, reason="queue_full"), DeadlineExceededError("late")]
)
def test_a_refusal_without_a_look_says_nothing_of_an_earlier_sending(error: StatehouseError) -> None:
    """G5: it says that nothing was applied, and the first sending may have been."""
    assert begun(COMMIT).refused(error) is error
    assert isinstance(begun(COMMIT, times=2).refused(error), OutcomeUnknownError)
    assert begun(Get(name()), times=2).refused(error) is error


def test_what_the_engine_found_out_is_passed_on() -> None:
    conflict = ConflictError("changed", keys=(), commit_ts=3)
    assert begun(COMMIT, times=2).refused(conflict) is conflict


def test_an_error_that_is_not_the_daemons_leaves_a_commit_unknown() -> None:
    internal = StatehouseError("the call failed with status INTERNAL")
    assert isinstance(begun(COMMIT).unclear(internal), OutcomeUnknownError)
    assert begun(Get(name())).unclear(internal).message == internal.message


def test_what_nobody_read_was_not_sent() -> None:
    call = begun(COMMIT)
    call.unsent()
    assert isinstance(call.lost(LOST), ConnectionError)
    assert call.cancel()


def test_a_call_is_sent_so_often_at_most_and_a_wait_as_often_as_need_be() -> None:
    assert not begun(COMMIT, times=SENDINGS_MAX).may_go_again
    assert not begun(Get(name()), times=SENDINGS_MAX).may_go_again
    assert begun(COMMIT, times=SENDINGS_MAX - 1).may_go_again
    assert begun(Replay(wait_s=10.0), times=SENDINGS_MAX + 10).may_go_again


def test_a_commit_that_nobody_waits_for_is_not_sent_again() -> None:
    call = begun(COMMIT)
    call.cancel()
    assert not call.may_go_again
    assert not call.begin(time.monotonic())
