"""Ids of transactions: all different, also across a fork."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from statehouse.client.txn_ids import new_txn_id

_FORKS = """
import os
from statehouse.client.txn_ids import new_txn_id

new_txn_id()
reading, writing = os.pipe()
child = os.fork()
ids = "".join(new_txn_id() for _ in range(100)).encode()
if child == 0:
    os.write(writing, ids)
    os._exit(0)
os.waitpid(child, 0)
print((ids + os.read(reading, len(ids))).decode())
"""


def test_ids_that_many_threads_ask_for_at_once_are_all_different() -> None:
    with ThreadPoolExecutor(8) as pool:
        ids = [each.result() for each in [pool.submit(new_txn_id) for _ in range(5000)]]

    assert len(set(ids)) == len(ids)
    assert {len(each) for each in ids} == {32}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
def test_a_forked_child_and_its_parent_use_no_id_twice() -> None:
    run = subprocess.run([sys.executable, "-c", _FORKS], capture_output=True, text=True, check=True)

    digits = run.stdout.strip()
    ids = [digits[at : at + 32] for at in range(0, len(digits), 32)]
    assert len(set(ids)) == len(ids) == 200
