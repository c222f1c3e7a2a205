"""How much is taken on at once."""

from __future__ import annotations

import pytest

from statehouse.errors import OverloadedError
from statehouse.rpc.serving.admission import RETRY_AFTER_S, Admission


def test_so_many_requests_are_taken_and_the_next_is_refused_with_when_to_try_again() -> None:
    admission = Admission(requests_max=2, bytes_max=100)
    admission.enter(1)
    admission.enter(1)
    with pytest.raises(OverloadedError, match="nothing was applied") as refused:
        admission.enter(1)
    assert (refused.value.retry_after, refused.value.reason) == (RETRY_AFTER_S, "too_many_requests")
    admission.leave(1)
    admission.enter(1)
    assert (admission.requests, admission.size_bytes) == (2, 2)


@pytest.mark.parametrize("size, taken", [(59, True), (60, True), (61, False)])
def test_so_many_bytes_are_taken_and_one_more_is_refused(size: int, taken: bool) -> None:
    admission = Admission(requests_max=10, bytes_max=100)
    admission.enter(40)
    if taken:
        admission.enter(size)
    else:
        with pytest.raises(OverloadedError):
            admission.enter(size)
    assert admission.size_bytes == 40 + size * taken


def test_a_request_larger_than_all_that_is_allowed_is_taken_when_it_is_alone() -> None:
    admission = Admission(requests_max=10, bytes_max=100)
    admission.enter(1000)
    with pytest.raises(OverloadedError):
        admission.enter(0)
    admission.leave(1000)
    assert (admission.requests, admission.size_bytes) == (0, 0)
