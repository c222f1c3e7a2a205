"""``python -m statehouse`` is ``statehousectl``."""

from __future__ import annotations

import sys
from importlib import import_module


def _main() -> int:
    try:
        # The command line needs packages that the library does not.
        cli = import_module("statehouse.cli")
    except ImportError as error:
        sys.stderr.write(f"statehousectl cannot start: {error}\n")
        return 1
    return int(cli.main() or 0)


if __name__ == "__main__":
    sys.exit(_main())
