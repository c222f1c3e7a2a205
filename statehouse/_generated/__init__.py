"""Written by `make generate` from proto/; imported by `statehouse.rpc` only."""
