"""What the reads of the SDK give, in either colour and over any engine (G3, G4, G6, G7)."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest

from statehouse import (
    ConflictError,
    EngineError,
    ErasedError,
    Event,
    InvalidArgumentError,
    NotFoundError,
    Origin,
    Payload,
    Record,
    RecordVersion,
    Statehouse,
    use_origin,
)

TRACE = "0123456789abcdef0123456789abcdef"
SPAN = "0123456789abcdef"
LARGE = "x" * 100_000
"""A page ends at 1 MiB, so a dozen of these make a second one."""


class SdkRecordContract:
    """Single records."""

    def test_a_record_says_everything_about_itself(self, sh: Statehouse) -> None:
        """G4."""
        ts = sh.write("plan", {"goal": "tea"}, agent_id="planner")
        expected = Record("default", "planner", "plan", {"goal": "tea"}, 1, ts)
        assert sh.get_state("plan", agent_id="planner") == expected

    def test_keyword_calls_as_the_specification_writes_them(self, sh: Statehouse) -> None:
        """The names of the arguments are part of the contract."""
        tx = sh.begin_transaction()
        tx.write(agent_id="a1", key="k", value={"x": 1})
        tx.commit()
        assert sh.get_state(agent_id="a1", key="k").value == {"x": 1}

    @pytest.mark.parametrize(
        "value",
        [
            None,
            True,
            42,
            2**60,
            -0.5,
            "",
            "é\U0001f5dd",
            [],
            [1, [2, {}]],
            {"a": {"b": None}},
            b"",
            b"\x00\xff",
        ],
        ids=repr,
    )
    def test_a_value_comes_back_as_it_was(self, sh: Statehouse, value: object) -> None:
        """A dict in, the same dict out; bytes too."""
        sh.write("k", value, agent_id="a")
        found = sh.get_state("k", agent_id="a").value
        assert (type(found), found) == (type(value), value)

    def test_a_payload_of_an_unknown_type_comes_back_whole(self, sh: Statehouse) -> None:
        """Reading never fails because a package is not installed."""
        payload = Payload("application/x-unknown", b"\x93\x01")
        sh.write("k", payload, agent_id="a")
        record = sh.get_state("k", agent_id="a")
        assert (record.value, record.payload) == (payload, payload)

    def test_an_absent_key_raises(self, sh: Statehouse) -> None:
        """Unless there is a default."""
        with pytest.raises(NotFoundError, match="default/a/k has no value"):
            sh.get_state("k", agent_id="a")

    def test_an_absent_key_with_a_default_has_version_0(self, sh: Statehouse) -> None:
        """if_version=0 means absent, so that the version read can be handed on."""
        assert sh.get_state("k", agent_id="a", default=[]) == Record("default", "a", "k", [], 0, 0)

    def test_none_is_a_default_like_any_other(self, sh: Statehouse) -> None:
        """There is no value that means `no default`."""
        assert sh.get_state("k", agent_id="a", default=None).value is None

    def test_a_deleted_key_is_absent(self, sh: Statehouse) -> None:
        """The tombstone says when."""
        sh.write("k", 1, agent_id="a")
        ts = sh.delete("k", agent_id="a")
        with pytest.raises(NotFoundError, match=f"deleted at commit_ts {ts}"):
            sh.get_state("k", agent_id="a")

    def test_a_read_as_of_a_commit(self, sh: Statehouse) -> None:
        """G6."""
        stamps = [sh.write("k", n, agent_id="a") for n in range(3)]
        assert [sh.get_state("k", agent_id="a", at=ts).value for ts in stamps] == [0, 1, 2]

    def test_a_read_as_of_a_time(self, sh: Statehouse) -> None:
        """A time means the newest commit at or before it."""
        ts = sh.write("k", 1, agent_id="a")
        then = next(iter(sh.find_events(commit_ts=ts))).committed_at
        assert sh.get_state("k", agent_id="a", at=then).value == 1
        before = then - timedelta(days=1)
        assert sh.get_state("k", agent_id="a", at=before, default="absent").value == "absent"

    def test_a_read_at_a_version(self, sh: Statehouse) -> None:
        """A delete is a version too, without a value."""
        sh.write("k", "one", agent_id="a")
        sh.delete("k", agent_id="a")
        sh.write("k", "three", agent_id="a")
        assert sh.get_state_at_version("k", 1, agent_id="a").value == "one"
        assert sh.get_state_at_version("k", 3, agent_id="a").version == 3
        assert sh.get_state_at_version("k", 2, agent_id="a", default=None).value is None
        for version in (2, 4):
            with pytest.raises(NotFoundError):
                sh.get_state_at_version("k", version, agent_id="a")

    def test_records_of_other_agents_and_namespaces_are_others(self, sh: Statehouse) -> None:
        """A record is named by all three."""
        sh.write("k", 1, agent_id="a")
        sh.write("k", 2, agent_id="b")
        sh.write("k", 3, agent_id="a", namespace="other")
        found = [
            sh.get_state("k", agent_id="a").value,
            sh.get_state("k", agent_id="b").value,
            sh.get_state("k", agent_id="a", namespace="other").value,
        ]
        assert found == [1, 2, 3]

    def test_an_agent_is_bound(self, sh: Statehouse) -> None:
        """Everything through it is this agent's."""
        agent = sh.agent("planner", namespace="ns")
        agent.write("k", [1])
        assert agent.get_state("k") == sh.get_state("k", agent_id="planner", namespace="ns")
        assert agent.list_keys() == ["k"]
        assert [event.commit_ts for event in agent.replay()] == [1]
        agent.delete("k")
        assert [version.kind for version in agent.history("k")] == ["write", "delete"]
        assert list(agent.get_many(["k"])) == []


class SdkScanContract:
    """Many records."""

    def test_many_keys_come_in_the_order_asked(self, sh: Statehouse) -> None:
        """Those without a value are left out."""
        with sh.agent("a").transaction() as tx:
            for key in "abc":
                tx.write(key, key.upper())
        found = sh.get_many(["c", "x", "a"], agent_id="a")
        assert [(key, record.value) for key, record in found.items()] == [("c", "C"), ("a", "A")]

    def test_many_large_values_come_whole_and_as_of_one_commit(self, sh: Statehouse) -> None:
        """They do not fit into one page; in a transaction too, which has read them all."""
        keys = [f"{n:02}" for n in range(25)]
        with sh.agent("a").transaction() as tx:
            for key in keys:
                tx.write(key, LARGE + key)
        wanted = {key: LARGE + key for key in reversed(keys)}
        for at in (None, 1):
            found = sh.get_many(reversed(keys), agent_id="a", at=at)
            assert [(key, record.value) for key, record in found.items()] == list(wanted.items())
        tx = sh.agent("a").transaction()
        assert [record.value for record in tx.get_many(reversed(keys)).values()] == list(wanted.values())
        sh.write("00", "changed", agent_id="a")
        tx.write("other", 1)
        with pytest.raises(ConflictError):
            tx.commit()

    def test_scans_are_in_byte_order_and_bounded(self, sh: Statehouse) -> None:
        """By prefix, reverse, and limit."""
        with sh.agent("a").transaction() as tx:
            for key in ("b", "a/2", "a/10", "a/1", "é"):
                tx.write(key, key)
        agent = sh.agent("a")
        assert agent.list_keys() == ["a/1", "a/10", "a/2", "b", "é"]
        assert [record.value for record in agent.scan_prefix("a/")] == ["a/1", "a/10", "a/2"]
        assert [record.key for record in agent.scan_prefix(reverse=True, limit=2)] == ["é", "b"]
        assert agent.list_keys("a/", reverse=True, limit=1) == ["a/2"]
        assert agent.list_keys(limit=0) == []

    def test_a_scan_goes_on_over_pages(self, sh: Statehouse) -> None:
        """All rows are as of the first page's commit."""
        keys = [f"{n:05}" for n in range(15)]
        with sh.agent("a").transaction() as tx:
            for key in keys:
                tx.write(key, LARGE)
        rows = sh.scan_prefix(agent_id="a")
        found = [next(rows).key]
        sh.write("00014", "changed meanwhile", agent_id="a")
        rest = list(rows)
        assert found + [record.key for record in rest] == keys
        assert {record.value for record in rest} == {LARGE}
        assert [len(each.value) for each in sh.history("00014", agent_id="a")] == [len(LARGE), 17]

    def test_a_scan_as_of_a_commit(self, sh: Statehouse) -> None:
        """G6."""
        ts = sh.write("a", 1, agent_id="a")
        sh.write("b", 2, agent_id="a")
        assert sh.list_keys(agent_id="a", at=ts) == ["a"]
        assert [record.value for record in sh.scan_prefix(agent_id="a", at=ts)] == [1]

    def test_a_history_has_every_version(self, sh: Statehouse) -> None:
        """Deletes too."""
        sh.write("k", 1, agent_id="a")
        sh.delete("k", agent_id="a")
        sh.write("k", 3, agent_id="a")
        found = list(sh.history("k", agent_id="a"))
        assert [(each.kind, each.version, each.commit_ts, each.value) for each in found] == [
            ("write", 1, 1, 1),
            ("delete", 2, 2, None),
            ("write", 3, 3, 3),
        ]
        newest = list(sh.history("k", agent_id="a", reverse=True, limit=1))
        assert [each.version for each in newest] == [3]
        assert [each.version for each in sh.history("k", agent_id="a", at=2)] == [1, 2]

    def test_agents_and_namespaces_are_counted(self, sh: Statehouse) -> None:
        """Everyone who was ever written to."""
        sh.write("k", 1, agent_id="b")
        sh.write("k", 1, agent_id="a")
        sh.write("k", 1, agent_id="c", namespace="other")
        assert [(each.agent_id, each.keys, each.events) for each in sh.agents()] == [("a", 1, 1), ("b", 1, 1)]
        assert [(each.namespace, each.agents) for each in sh.namespaces()] == [("default", 2), ("other", 1)]


class SdkReplayContract:
    """Events (G7)."""

    def test_a_replay_has_every_event_in_commit_order(self, sh: Statehouse) -> None:
        """Of an agent, of a namespace, of everything."""
        sh.write("k", 1, agent_id="a")
        sh.write("k", 2, agent_id="b")
        sh.write("k", 3, agent_id="a", namespace="other")
        sh.write("k", 4, agent_id="a")
        assert [event.commit_ts for event in sh.replay(agent_id="a")] == [1, 4]
        assert [event.commit_ts for event in sh.replay()] == [1, 2, 4]
        assert [event.commit_ts for event in sh.replay(whole_store=True)] == [1, 2, 3, 4]
        assert [event.commit_ts for event in sh.replay(from_ts=2, to_ts=3, whole_store=True)] == [2, 3]
        assert [event.operations[0].value for event in sh.replay(agent_id="a", from_ts=2)] == [4]

    def test_a_replay_without_payloads(self, sh: Statehouse) -> None:
        """Names and versions only."""
        sh.write("k", 1, agent_id="a")
        (event,) = sh.replay(payloads=False)
        assert (event.operations[0].key, event.operations[0].payload) == ("k", None)

    def test_a_replay_by_time(self, sh: Statehouse) -> None:
        """Both ends inclusive."""
        sh.write("k", 1, agent_id="a")
        sh.write("k", 2, agent_id="a")
        first, last = sh.replay()
        stamps = [
            event.commit_ts for event in sh.replay(from_time=first.committed_at, to_time=last.committed_at)
        ]
        assert stamps == [1, 2]
        day = timedelta(days=1)
        assert list(sh.replay(from_time=last.committed_at + day)) == []
        assert list(sh.replay(to_time=first.committed_at - day)) == []
        assert [event.commit_ts for event in sh.replay(from_time=first.committed_at - day)] == [1, 2]

    def test_a_replay_goes_on_over_pages(self, sh: Statehouse) -> None:
        """Without a gap or a repeat."""
        for n in range(15):
            sh.write("k", [n, LARGE], agent_id="a", if_version=n)
        assert [event.operations[0].value[0] for event in sh.replay()] == list(range(15))

    def test_a_follower_sees_what_is_committed_later(self, sh: Statehouse) -> None:
        """It ends at to_ts."""
        sh.write("k", 1, agent_id="a")
        events = sh.replay(agent_id="a", follow=True, to_ts=3)
        assert next(events).commit_ts == 1
        writer = threading.Thread(target=lambda: [sh.write("k", n, agent_id="a") for n in (2, 3)])
        writer.start()
        assert [event.commit_ts for event in events] == [2, 3]
        writer.join()

    def test_a_follower_ends_when_the_handle_is_closed(self, sh: Statehouse) -> None:
        """At once, although it waits."""
        sh.write("k", 1, agent_id="a")
        begun, found = threading.Event(), list[Event]()

        def follow() -> None:
            for event in sh.replay(follow=True):
                found.append(event)
                begun.set()

        follower = threading.Thread(target=follow)
        follower.start()
        begun.wait()
        sh.close()
        follower.join(timeout=5)
        assert (follower.is_alive(), len(found)) == (False, 1)

    def test_events_are_found_by_every_id(self, sh: Statehouse) -> None:
        """Of the commit, the transaction, the trace, the span, the run."""
        with use_origin(Origin(trace_id=TRACE, span_id=SPAN, run_id="r-1", step="plan")):
            ts = sh.write("k", 1, agent_id="a", txn_id="t-1")
        sh.write("k", 2, agent_id="a")
        for found in (
            sh.find_events(commit_ts=ts),
            sh.find_events(txn_id="t-1"),
            sh.find_events(trace_id=TRACE),
            sh.find_events(span_id=SPAN),
            sh.find_events(run_id="r-1"),
        ):
            assert [event.commit_ts for event in found] == [ts]
        assert list(sh.find_events(run_id="r-2")) == []
        assert list(sh.find_events(commit_ts=99)) == []

    def test_a_pretty_replay_is_a_line_an_event(self, sh: Statehouse) -> None:
        """With what it did, by whom and why."""
        sh.write(
            "plan", {"goal": "tea"}, agent_id="a", origin=Origin(run_id="r-42", step="think"), txn_id="t-1"
        )
        with sh.agent("a").transaction(txn_id="t-2") as tx:
            tx.write("plan", "x" * 100)
            tx.delete("draft")
            tx.write("raw\u202e", b"123")
        lines = [line.split("  ", 1)[1] for line in sh.replay_pretty(value_width=16)]
        assert lines == [
            '@1  t-1  a  +plan={"goal":"tea"}  (run r-42 step think)',
            '@2  t-2  a  ~plan="xxxxxxxxxxxxxx…  -draft  +raw\\u202e=<application/oc…',
        ]

    def test_a_version_whose_value_was_erased_says_so(self) -> None:
        """It is a version like any other, until its value is asked for."""
        version = RecordVersion("default", "a", "k", "erased", 1, 1)
        with pytest.raises(ErasedError, match="version 1 of default/a/k"):
            _ = version.value


class SdkStoreContract:
    """The store as a whole, and the handle."""

    def test_health_version_and_status(self, sh: Statehouse) -> None:
        """What an operator asks first."""
        ts = sh.write("k", 1, agent_id="a")
        assert sh.health() == "ok"
        assert sh.version().version
        assert (sh.status().state, sh.status().commit_ts) == ("ok", ts)

    def test_a_healthy_store_checks_out(self, sh: Statehouse) -> None:
        """And says how far it is."""
        for n in range(3):
            sh.write("k", n, agent_id="a")
        progress: list[float] = []
        report = sh.check(progress.append)
        assert (report.ok, report.problems, report.checked >= 3, progress[-1]) == (True, (), True, 1.0)
        assert report.head_digest == sh.status().head_digest

    def test_a_closed_handle_says_so_at_every_call(self, sh: Statehouse) -> None:
        """A transaction of its too."""
        tx = sh.agent("a").transaction()
        rows = sh.scan_prefix(agent_id="a")
        sh.close()
        sh.close()
        for call in (
            lambda: sh.get_state("k", agent_id="a"),
            lambda: sh.list_keys(agent_id="a"),
            lambda: list(sh.replay()),
            lambda: sh.write("k", 1, agent_id="a"),
            sh.begin_transaction,
            lambda: tx.write("k", 1),
            lambda: tx.get_state("k"),
            tx.commit,
            lambda: next(rows),
            sh.status,
        ):
            with pytest.raises(EngineError, match="closed"):
                call()
        assert sh.closed

    def test_a_handle_shows_what_it_is(self, sh: Statehouse) -> None:
        """For logs and notebooks."""
        assert repr(sh) == f"<Statehouse {sh.url} namespace='default'>"
        assert repr(sh.agent("a")) == f"<Agent 'a' namespace='default' of {sh.url}>"
        tx = sh.agent("a").transaction(txn_id="t-1")
        assert repr(tx) == "<Transaction t-1 agent 'a', open, 0 operations>"
        tx.commit()
        assert repr(tx) == "<Transaction t-1 committed at 0>"
        sh.close()
        assert repr(sh) == f"<Statehouse {sh.url} namespace='default', closed>"

    def test_times_need_a_zone(self, sh: Statehouse) -> None:
        """A naive time means something else on every machine."""
        with pytest.raises(InvalidArgumentError, match="time zone"):
            sh.get_state("k", agent_id="a", at=datetime.now(UTC).replace(tzinfo=None))
