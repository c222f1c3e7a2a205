"""What an implementation must do, as tests that any implementer can run.

Each contract is a class (or a few) whose tests run over what the implementer's subclass makes; pytest
collects it under a name that starts with ``Test``. They need the extra ``statehouse[testing]``.

* `statehouse.testing.contracts.storage`: the contract of a `statehouse.storage.Store`.
* ``statehouse.testing.contracts.engine_*``: the contract of a `statehouse.protocol.engine.Engine` (G1 to G8).
"""
