"""Requests and replies as messages, and back; `statehouse.rpc.methods` is the table of them.

* Nobody is answered differently by a daemon than by an engine of his own: replies come back equal, and what
  an engine would refuse is refused, not lost on the way. protobuf takes an empty namespace for the usual
  one, ``b"a"`` for ``"a"``, and the last of two members of a oneof; so what is said is checked first.
* The daemon meets messages of anybody: what makes no sense is an `InvalidArgumentError`, whatever it is.

Two verbs: ``say_x(message, x)`` writes into a message, ``x_in(message)`` reads from one.
"""
