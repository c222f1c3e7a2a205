"""Writes ``_sync`` from ``_async``, in ``statehouse/client`` and ``statehouse/steps``.

    python tools/unasync.py            write it
    python tools/unasync.py --check    exit with 1 if it is not what would be written

The async packages are the source; a short table of words turns it into the blocking one. Whatever cannot be
said by the table belongs into `statehouse.client.blocking` and `awaiting`, which have the same names.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FLOORS = [ROOT / "statehouse" / floor for floor in ("client", "steps")]

# One pass, longest first, so that what a rule wrote is not read by another: two of them swap the colours.
WORDS = {
    "The asyncio façade:": "The blocking façade:",
    "`statehouse.client._sync` is generated from this package: run": (
        "Generated from `statehouse.client._async`: run"
    ),
    "`statehouse.steps._sync` is generated from this package: run": (
        "Generated from `statehouse.steps._async`: run"
    ),
    "statehouse.steps._async": "statehouse.steps._sync",
    "RunAsync": "Run",
    "RunsAsync": "Runs",
    "drive_async": "drive",
    "after a change.": "after a change there.",
    "def sync(self) -> Statehouse:": "def aio(self) -> StatehouseAsync:",
    "return Statehouse.from_connection(": "return StatehouseAsync.from_connection(",
    "import Statehouse  #": "import StatehouseAsync  #",
    "import Statehouse\n": "import StatehouseAsync\n",
    "statehouse.client._sync.handle": "statehouse.client._async.handle",
    "statehouse.client._async": "statehouse.client._sync",
    "statehouse.client.awaiting": "statehouse.client.blocking",
    "A handle on a store, for asyncio.": "A handle on a store.",
    ">>> asyncio.run(main())": ">>> main()",
    '(await agent.get_state("seen"))': 'agent.get_state("seen")',
    "This does no I/O and is never awaited.": "This does no I/O.",
    "StatehouseAsync": "Statehouse",
    "ErasesAsync": "Erases",
    "AgentAsync": "Agent",
    "TransactionAsync": "Transaction",
    "AsyncStream": "Stream",
    "Awaitable[T]": "T",
    "import Awaitable, Callable": "import Callable",
    "__aenter__": "__enter__",
    "__aexit__": "__exit__",
    "async def ": "def ",
    "async with ": "with ",
    "async for ": "for ",
    "await ": "",
}
_WORD = re.compile("|".join(re.escape(word) for word in sorted(WORDS, key=len, reverse=True)))


def blocking(source: str) -> str:
    """Gives the blocking twin of an async module, formatted."""
    text = _WORD.sub(lambda found: WORDS[found.group()], source)
    for command in (
        [
            "check",
            "--quiet",
            "--select",
            "I",
            "--fix-only",
            "--stdin-filename",
            "statehouse/client/_sync/x.py",
            "-",
        ],
        ["format", "--quiet", "--stdin-filename", "statehouse/client/_sync/x.py", "-"],
    ):
        text = subprocess.run(
            [sys.executable, "-m", "ruff", *command],
            input=text,
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
        ).stdout
    return text


def main() -> int:
    """Writes the packages, or with ``--check`` compares them."""
    check = "--check" in sys.argv[1:]
    # A list: each is written, whatever the one before gave.
    return max([twin(floor / "_async", floor / "_sync", check=check) for floor in FLOORS])


def twin(source: Path, target: Path, *, check: bool) -> int:
    """Writes one package, or compares it; gives 1 if it was to be compared and is different."""
    wanted = {path.name: blocking(path.read_text(encoding="utf-8")) for path in sorted(source.glob("*.py"))}
    present = {path.name: path.read_text(encoding="utf-8") for path in target.glob("*.py")}
    different = sorted(
        name for name in wanted.keys() | present.keys() if wanted.get(name) != present.get(name)
    )
    if check:
        for name in different:
            print(f"{target / name} is not what tools/unasync.py would write; run it")
        return 1 if different else 0
    target.mkdir(exist_ok=True)
    for name in different:
        path = target / name
        if name in wanted:
            path.write_text(wanted[name], encoding="utf-8")
        else:
            path.unlink()
        print(f"wrote {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
