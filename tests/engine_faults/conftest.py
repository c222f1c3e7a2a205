"""The run that all others are compared with."""

from __future__ import annotations

import pytest

from statehouse.testing.faults import FaultStore
from tests.engine_faults.workload import Story, tell


@pytest.fixture(scope="session")
def story() -> Story:
    """The workload without faults."""
    return tell(FaultStore())


@pytest.fixture(scope="session")
def counted() -> FaultStore:
    """A store that the workload ran on; its `calls` say how many faults there can be."""
    store = FaultStore()
    tell(store)
    return store
