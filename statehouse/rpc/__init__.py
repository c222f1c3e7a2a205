"""HOW IT TRAVELS: the engine behind gRPC, and in front of it.

* `methods`, `codec`: each request and reply as messages of ``proto/``, in one table.
* `status`: each error as a message and a gRPC status, and back.
* `serving`: the service around an engine, for `statehouse.daemon`.
* `calling`: `RemoteEngine`, an engine that asks a daemon.

Only this floor knows gRPC and protobuf.
"""

from __future__ import annotations

import os

# What gRPC does in a forked child by default complains on stderr, and now and then aborts the child. Ours
# never uses what its parent opened (`ForkedProcessError`). gRPC reads this when it is loaded; who wants its
# handlers sets it to 1.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
