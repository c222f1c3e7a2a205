"""Writes ``statehouse/client/_sync`` from ``statehouse/client/_async``.

    python tools/unasync.py            write it
    python tools/unasync.py --check    exit with 1 if it is not what would be written

The async package is the source; a short table of words turns it into the blocking one. Whatever cannot be
said by the table belongs into `statehouse.client.blocking` and `awaiting`, which have the same names.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "statehouse" / "client" / "_async"
TARGET = ROOT / "statehouse" / "client" / "_sync"

# One pass, longest first, so that what a rule wrote is not read by another: two of them swap the colours.
WORDS = {
    "The asyncio façade:": "The blocking façade:",
    "`statehouse.client._sync` is generated from this package: run": (
        "Generated from `statehouse.client._async`: run"
    ),
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
    """Writes the package, or with ``--check`` compares it."""
    wanted = {path.name: blocking(path.read_text(encoding="utf-8")) for path in sorted(SOURCE.glob("*.py"))}
    present = {path.name: path.read_text(encoding="utf-8") for path in TARGET.glob("*.py")}
    different = sorted(
        name for name in wanted.keys() | present.keys() if wanted.get(name) != present.get(name)
    )
    if "--check" in sys.argv[1:]:
        for name in different:
            print(f"statehouse/client/_sync/{name} is not what tools/unasync.py would write; run it")
        return 1 if different else 0
    TARGET.mkdir(exist_ok=True)
    for name in different:
        path = TARGET / name
        if name in wanted:
            path.write_text(wanted[name], encoding="utf-8")
        else:
            path.unlink()
        print(f"wrote {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
