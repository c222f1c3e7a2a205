"""Values that grow: whatever is shared, the value read is the value written."""

from __future__ import annotations

import pytest

from statehouse import Payload, Statehouse
from statehouse.extend import Commit, Committed, Copy, Extend, Flow, RecordKey, ask, encode, grow, run

LINE = {"role": "user", "content": "some words of a conversation, again and again"}


class SdkGrowingContract:
    """``extends=``, and `Extend` through a flow."""

    def test_a_growing_list_reads_as_it_was_written(self, sh: Statehouse) -> None:
        """At every version."""
        agent = sh.agent("a")
        lines = [dict(LINE, n=n) for n in range(40)]
        agent.write("log", lines)
        for n in range(40, 60):
            before = agent.get_state("log")
            agent.write("log", [*before.value, dict(LINE, n=n)], extends=before)
        found = [len(each.value) for each in agent.history("log")]
        assert found == list(range(40, 61))
        assert agent.get_state("log").value == [dict(LINE, n=n) for n in range(60)]

    @pytest.mark.parametrize("n", [0, 1, 20])
    def test_a_trimmed_or_edited_list_reads_as_it_was_written(self, sh: Statehouse, n: int) -> None:
        """Its start, its middle, its end."""
        agent = sh.agent("a")
        lines = [dict(LINE, n=n) for n in range(60)]
        agent.write("log", lines)
        before = agent.get_state("log")
        new = [*lines[n:30], dict(LINE, n="edited"), *lines[31:], LINE]
        agent.write("log", new, extends=before)
        assert agent.get_state("log").value == new

    def test_it_may_grow_under_another_key(self, sh: Statehouse) -> None:
        """As checkpoints do."""
        agent = sh.agent("a")
        agent.write("log/1", [LINE] * 50)
        agent.write("log/2", [LINE] * 51, extends=agent.get_state("log/1"))
        agent.delete("log/1")
        assert len(agent.get_state("log/2").value) == 51

    def test_a_base_that_is_no_longer_there_is_no_matter(self, sh: Statehouse) -> None:
        """The value is sent whole, by itself, in the same transaction."""
        agent = sh.agent("a")
        agent.write("log", [LINE] * 50)
        before = agent.get_state("log")
        gone = type(before)("default", "a", "log", before.value, 99, 99, before.payload)
        with agent.transaction(txn_id="t-1") as tx:
            tx.write("log", [LINE] * 51, extends=gone)
            tx.write("other", 1)
        assert len(agent.get_state("log").value) == 51
        assert [event.txn_id for event in agent.replay(from_ts=2)] == ["t-1"]

    def test_a_default_is_no_base(self, sh: Statehouse) -> None:
        """Nor is another content type, nor what is not committed."""
        agent = sh.agent("a")
        agent.write("log", [LINE] * 50, extends=agent.get_state("log", default=[LINE] * 49))
        agent.write("log", Payload("text/plain", b"x" * 5000), extends=agent.get_state("log"))
        with agent.transaction() as tx:
            tx.write("new", [LINE] * 50)
            tx.write("new", [LINE] * 51, extends=tx.get_state("new"))
        assert len(agent.get_state("new").value) == 51

    def test_an_adapter_extends_through_a_flow(self, sh: Statehouse) -> None:
        """`grow` finds the parts."""
        old, new = encode([LINE] * 50), encode([LINE] * 51)
        sh.write("log", old, agent_id="a")
        parts = grow(old.data, new.data)
        assert parts is not None
        assert parts[0] == Copy(0, len(old.data) - 1)
        assert parts[-1] == b"]"
        name = RecordKey("default", "a", "log")

        def flow() -> Flow[Committed]:
            extend = Extend(name, name, 1, parts, new.content_type)
            return (yield from ask(Commit("t-1", (extend,), made_at_ts=1)))

        assert run(sh, flow()).commit_ts == 2
        assert sh.get_state("log", agent_id="a").payload == new
