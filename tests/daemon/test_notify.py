"""What a service manager is told, over a real socket."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from statehouse.daemon.notify import notify


def test_a_service_manager_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("notify")
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        notify("READY=1\nSTATUS=x")
        assert manager.recv(100) == b"READY=1\nSTATUS=x"


@pytest.mark.skipif(sys.platform != "linux", reason="only there sockets have names outside the file system")
def test_a_service_manager_outside_the_file_system_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0statehouse-test-notify")
        monkeypatch.setenv("NOTIFY_SOCKET", "@statehouse-test-notify")
        notify("READY=1")
        assert manager.recv(100) == b"READY=1"


@pytest.mark.parametrize("where", ["", "relative", "/nowhere/at/all", "@nobody"])
def test_a_service_manager_that_does_not_listen_is_no_trouble(
    where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", where)
    notify("READY=1")
