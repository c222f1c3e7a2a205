"""The workshop: what tests of Statehouse, and of programs and stores that build on it, are made of.

* `statehouse.testing.contracts`: what every store and every engine must do, as tests that run over a factory.
* `statehouse.testing.reference`: an engine that is obviously right, to compare others with; its rules are in
  `statehouse.testing.model`, and what makes a request well formed is in `statehouse.testing.wellformed`.
* `statehouse.testing.faults`: a store that fails and crashes where a test says so.
* `statehouse.testing.clock`: a clock that stands still until a test moves it.
* `statehouse.testing.checker`: says whether what many clients saw keeps the guarantees.
* `statehouse.testing.pytest`: fixtures for programs that keep their state in Statehouse.

Importing this package imports none of them; some need the extra ``statehouse[testing]``.
"""
