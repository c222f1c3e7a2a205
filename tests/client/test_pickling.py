"""What has a store open belongs to its process, and says so to who would take it elsewhere."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from statehouse import Statehouse


@pytest.mark.parametrize("taken", [pickle.dumps, copy.deepcopy], ids=["pickle", "deepcopy"])
@pytest.mark.parametrize(
    "made",
    [
        lambda sh: sh,
        lambda sh: sh.aio,
        lambda sh: sh.agent("a"),
        lambda sh: sh.aio.agent("a"),
        lambda sh: sh.transaction(),
        lambda sh: sh.aio.agent("a").transaction(),
    ],
    ids=["handle", "async handle", "agent", "async agent", "transaction", "async transaction"],
)
def test_a_handle_is_not_pickled_nor_copied_with_its_store(
    made: Callable[[Statehouse], Any], taken: Callable[[Any], Any]
) -> None:
    with Statehouse("memory:mine") as sh:
        with pytest.raises(
            TypeError, match=r"Statehouse.* cannot be pickled .*memory:mine.*open one in each"
        ):
            taken(made(sh))
        # A shallow copy is another view of the same connection.
        assert copy.copy(sh).connection is sh.connection
