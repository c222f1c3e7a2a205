"""Where a command's output cannot go, where a stream was closed, and Ctrl-C at any moment: no traceback."""

from __future__ import annotations

import io
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from statehouse import Statehouse
from statehouse.cli.app import app
from tests.cli.conftest import environment


@pytest.fixture
def url(directory: Path) -> str:
    with Statehouse(directory) as sh:
        sh.write("k", "tea", agent_id="a")
    return f"file:{directory}"


def typed(line: str, url: str) -> subprocess.CompletedProcess[bytes]:
    """What a shell makes of a line, in which ``ctl`` is statehousectl."""
    return subprocess.run(
        ["/bin/sh", "-c", line.replace("ctl", f"{sys.executable} -m statehouse", 1)],
        env=environment(url),
        capture_output=True,
        timeout=60,
        check=False,
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="writes to /dev/full")
@pytest.mark.parametrize("args", ["--help", "--version", "get --help", "store --help", "version", "get a k"])
def test_output_that_finds_no_room_ends_in_one_paragraph(url: str, args: str) -> None:
    done = typed(f"ctl {args} > /dev/full", url)
    assert done.returncode == 5
    assert done.stderr == b"statehousectl: input or output: No space left on device\n"


@pytest.mark.parametrize(
    "line", ["ctl --help >&-", "ctl get a k >&-", "ctl put a k - <&-", "ctl keys a <&- >&-"]
)
def test_a_stream_that_was_closed_ends_in_one_paragraph(url: str, line: str) -> None:
    done = typed(line, url)
    assert done.returncode == 5
    assert done.stderr == b"statehousectl: input or output: Bad file descriptor\n"


def test_what_needs_no_stdin_and_no_stderr_does_without(url: str) -> None:
    done = typed("ctl get a k <&- 2>&-", url)
    assert (done.returncode, done.stdout) == (0, b'"tea"\n')


class _Interrupted(io.StringIO):
    def write(self, text: str, /) -> int:
        raise KeyboardInterrupt


@pytest.mark.parametrize("args", [["--help"], ["--version"], ["get", "--help"]], ids=" ".join)
def test_ctrl_c_in_the_help_exits_with_130(args: list[str]) -> None:
    with redirect_stdout(_Interrupted()):
        assert app.main(args, prog_name="statehousectl", standalone_mode=False) == 130


def test_ctrl_c_before_everything_is_imported_exits_quietly_with_130() -> None:
    program = (
        "import sys\n"
        "from statehouse.cli import main\n"
        "class Finder:\n"
        "    def find_spec(self, name, *rest):\n"
        "        if name == 'click':\n"
        "            raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Finder())\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")
