"""``python -m statehouse.daemon`` is ``statehoused``."""

from __future__ import annotations

import sys

from statehouse.daemon import main

if __name__ == "__main__":
    sys.exit(main())
