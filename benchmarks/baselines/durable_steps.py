"""Steps of DBOS on SQLite, with its defaults: a workflow of steps that do nothing.

DBOS has an environment of its own, ``.venv-dbos``, whose Python runs this file::

    python benchmarks/baselines/durable_steps.py DIRECTORY

It says what it is and how its database is synced; then it answers each line, a number of steps, with the
microseconds that a step took, and ends with its standard input.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Final

_PYTHON: Final = Path(__file__).parents[2] / ".venv-dbos" / "bin" / "python"
_SYNCED: Final = "2"
"""``PRAGMA synchronous`` of a database that is synced at each commit, FULL."""

Microseconds = Callable[[int], float]


@contextmanager
def dbos(path: Path) -> Iterator[tuple[Microseconds, str]]:
    """A process of DBOS on a new directory; gives what runs a workflow of so many steps and says how many
    microseconds each took, and what DBOS says of itself.

    Raises:
        RuntimeError: It is not installed, does not start, or does not sync.
    """
    if not _PYTHON.exists():
        raise RuntimeError("DBOS is not installed: make .venv-dbos/.installed")
    path.mkdir(parents=True)
    with subprocess.Popen(
        [str(_PYTHON), __file__, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        sent, said = process.stdin, process.stdout
        assert sent is not None
        assert said is not None

        def microseconds(count: int) -> float:
            sent.write(f"{count}\n")
            sent.flush()
            return float(said.readline())

        try:
            about = said.readline().strip()
            if f"synchronous {_SYNCED}" not in about:
                raise RuntimeError(f"DBOS is not ready, or does not sync: {about!r}")
            yield microseconds, about
        finally:
            process.kill()


def _main(path: str) -> None:
    # Of another environment: what looks at this file from here does not find it.
    from dbos import DBOS  # type: ignore[import-not-found]  # noqa: PLC0415
    from dbos._dbos import _get_dbos_instance  # type: ignore[import-not-found]  # noqa: PLC0415

    @DBOS.step()  # type: ignore[untyped-decorator]
    def nothing() -> None:
        """Does nothing."""

    @DBOS.workflow()  # type: ignore[untyped-decorator]
    def work(count: int) -> None:
        for _ in range(count):
            nothing()

    DBOS(
        config={
            "name": "benchmark",
            "system_database_url": f"sqlite:///{path}/system.sqlite",
            # Neither is a step's business: the one takes a port, the other writes into the answers.
            "run_admin_server": False,
            "log_level": "ERROR",
        }
    )
    DBOS.launch()
    # No public name leads to the connections whose settings count.
    with _get_dbos_instance()._sys_db.engine.connect() as connection:  # noqa: SLF001
        facts = {
            pragma: connection.exec_driver_sql(f"PRAGMA {pragma}").scalar()
            for pragma in ("journal_mode", "synchronous")
        }
    print(
        f"DBOS {version('dbos')}:", ", ".join(f"{name} {value}" for name, value in facts.items()), flush=True
    )
    for line in sys.stdin:
        count = int(line)
        began = time.perf_counter()
        work(count)
        print((time.perf_counter() - began) / count * 1e6, flush=True)


if __name__ == "__main__":
    _main(sys.argv[1])
