"""HOW IT TRAVELS: the engine behind gRPC, and in front of it.

* `methods`, `codec`: each request and reply as messages of ``proto/``, in one table.
* `status`: each error as a message and a gRPC status, and back.
* `serving`: the service around an engine, for `statehouse.daemon`.
* `calling`: `RemoteEngine`, an engine that asks a daemon.

Only this floor knows gRPC and protobuf.
"""
