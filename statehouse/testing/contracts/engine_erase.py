"""Taking values away for good (G6): what is gone, what stays, and what is never damaged."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from statehouse.errors import ErasedError, InvalidArgumentError, LimitExceededError, NotFoundError
from statehouse.protocol.engine import Engine
from statehouse.protocol.limits import DEFAULT_LIMITS
from statehouse.protocol.names import RecordKey
from statehouse.protocol.replies import Erased
from statehouse.protocol.requests import (
    Check,
    Copy,
    Erase,
    Extend,
    GetAtVersion,
    GetMany,
    History,
    ListAgents,
    Precondition,
    Replay,
)
from statehouse.protocol.values import BYTES
from statehouse.testing.contracts.engine_phrases import (
    AGENT,
    NAMESPACE,
    commit,
    delete,
    entry,
    everything,
    keys,
    name,
    newest,
    put,
    scan,
    transaction,
    value,
    write,
)

LARGE = bytes(range(256)) * 700


def erasing(*exact: str, prefixes: tuple[str, ...] = (), **fields: Any) -> Erase:
    """An erase of the usual agent."""
    return Erase(NAMESPACE, AGENT, exact, prefixes, **fields)


def parts(engine: Engine, request: Erase) -> list[Erased]:
    """All parts of an erase."""
    done = [engine.execute(request)]
    while done[-1].cursor is not None:
        done.append(engine.execute(replace(request, cursor=done[-1].cursor)))
    return done


def erase(engine: Engine, request: Erase) -> tuple[int, int, tuple[str, ...]]:
    """A whole erase: how many versions, how many of other keys, and those keys."""
    done = parts(engine, request)
    others = sorted({key for part in done for key in part.shared_keys})
    return (
        sum(part.versions for part in done),
        sum(part.shared_versions for part in done),
        tuple(others),
    )


def check(engine: Engine) -> None:
    """Proves all that is on disk."""
    page = engine.execute(Check())
    assert page.problems == ()
    while page.cursor is not None:
        page = engine.execute(Check(page.cursor))
        assert page.problems == ()


def kinds(engine: Engine, key: str | RecordKey = "k") -> list[str | None]:
    """What the versions of a key are, the oldest first."""
    record = key if isinstance(key, RecordKey) else name(key)
    return [row.kind for row in engine.execute(History(record)).entries]


def grow(engine: Engine, key: str, base: str, version: int, size: int, new: bytes) -> None:
    """Writes a value that begins like another one."""
    commit(engine, Extend(name(key), name(base), version, (Copy(0, size), new), BYTES))


class EraseContract:
    """Erasing (G6)."""

    @pytest.mark.parametrize("kept", [b"small", LARGE], ids=["small", "large"])
    def test_an_erased_value_is_an_error_that_says_which(self, engine: Engine, kept: bytes) -> None:
        """G6."""
        put(engine, "k", kept)
        assert erase(engine, erasing("k")) == (1, 0, ())
        with pytest.raises(ErasedError) as caught:
            entry(engine)
        assert (caught.value.key, caught.value.version, caught.value.commit_ts) == (name(), 1, 1)

    def test_every_version_is_erased(self, engine: Engine) -> None:
        """G6."""
        for kept in (b"one", LARGE, b"three"):
            put(engine, "k", kept)
        assert erase(engine, erasing("k")) == (3, 0, ())
        assert kinds(engine) == ["erased"] * 3
        for at in (1, 2, 3):
            with pytest.raises(ErasedError):
                entry(engine, at=at)
            with pytest.raises(ErasedError):
                engine.execute(GetAtVersion(name(), at))

    def test_reads_of_many_values_say_so_and_reads_of_keys_do_not(self, engine: Engine) -> None:
        """G6: an erased value exists."""
        put(engine, "a")
        put(engine, "k")
        erase(engine, erasing("k"))
        with pytest.raises(ErasedError):
            engine.execute(GetMany((name("a"), name("k"))))
        with pytest.raises(ErasedError):
            engine.execute(scan())
        assert keys(engine.execute(scan(keys_only=True))) == ["a", "k"]
        assert engine.execute(scan(keys_only=True)).entries[1].kind == "erased"

    def test_a_deleted_key_stays_deleted(self, engine: Engine) -> None:
        """G6: what was before the delete is erased."""
        put(engine)
        commit(engine, delete())
        assert erase(engine, erasing("k")) == (1, 0, ())
        assert (entry(engine).kind, entry(engine).version) == ("delete", 2)
        assert kinds(engine) == ["erased", "delete"]

    @pytest.mark.parametrize("kept", [b"small", LARGE], ids=["small", "large"])
    def test_the_next_write_has_the_next_version(self, engine: Engine, kept: bytes) -> None:
        """G6."""
        put(engine, "k", kept)
        erase(engine, erasing("k"))
        put(engine, "k", kept + b"!")
        assert (value(engine), entry(engine).version) == (kept + b"!", 2)
        assert kinds(engine) == ["erased", "write"]

    def test_the_log_shows_what_was_erased(self, engine: Engine) -> None:
        """G7: every event is there, without the value."""
        commit(engine, write("k", LARGE), write("other", 1))
        before = everything(engine)
        erase(engine, erasing("k"))
        after = everything(engine)
        gone, left = after[0].operations
        assert (gone.kind, gone.version, gone.payload) == ("erased", 1, None)
        assert left == before[0].operations[1]
        assert replace(after[0], operations=before[0].operations) == before[0]

    def test_the_log_without_values_stays_as_it_was(self, engine: Engine) -> None:
        """G7: events never change."""
        put(engine)
        before = engine.execute(Replay(payloads=False)).events
        erase(engine, erasing("k"))
        assert engine.execute(Replay(payloads=False)).events == before

    def test_it_is_no_commit(self, engine: Engine) -> None:
        """G7."""
        put(engine)
        counts = engine.execute(ListAgents(NAMESPACE)).agents
        erase(engine, erasing("k"))
        assert newest(engine) == 1
        assert engine.execute(ListAgents(NAMESPACE)).agents == counts

    def test_the_history_is_still_proved(self, engine: Engine) -> None:
        """G6: the chain of events holds digests only."""
        for number in range(4):
            put(engine, "k", LARGE + bytes([number]))
            put(engine, f"k{number}", number)
        commit(engine, delete("k"))
        erase(engine, erasing(prefixes=("",)))
        check(engine)

    def test_erasing_again_changes_nothing(self, engine: Engine) -> None:
        """G6."""
        put(engine, "k", LARGE)
        erase(engine, erasing("k"))
        assert erase(engine, erasing("k")) == (0, 0, ())
        assert kinds(engine) == ["erased"]

    def test_a_dry_run_tells_and_changes_nothing(self, engine: Engine) -> None:
        """G6."""
        put(engine, "k", LARGE)
        put(engine, "k", b"small")
        commit(engine, delete("k"))
        assert erase(engine, erasing("k", dry_run=True)) == (2, 0, ())
        assert [value(engine, at=at) for at in (1, 2, 3)] == [LARGE, b"small", None]

    def test_a_key_that_never_was_is_passed_over(self, engine: Engine) -> None:
        """G6."""
        put(engine)
        assert erase(engine, erasing("never", prefixes=("nothing/",))) == (0, 0, ())
        assert value(engine) == 1

    def test_keys_are_exact_and_prefixes_are_not(self, engine: Engine) -> None:
        """G6."""
        for key in ("a", "aa", "b", "b/1", "b/2", "c"):
            put(engine, key, key)
        assert erase(engine, erasing("a", "a", "b/1", prefixes=("b/", "b/2"))) == (3, 0, ())
        left = [row.key.key for row in engine.execute(scan(keys_only=True)).entries if row.kind == "write"]
        assert left == ["aa", "b", "c"]

    def test_the_empty_prefix_is_the_whole_agent_and_no_other(self, engine: Engine) -> None:
        """G6."""
        others = (name("k", "planner2"), name("k", "plan"), name("k", namespace="other"))
        for key in (name("a"), name("k"), *others):
            put(engine, key, LARGE)
        assert erase(engine, erasing(prefixes=("",))) == (2, 0, ())
        assert [value(engine, key) for key in others] == [LARGE] * 3
        assert (kinds(engine, "a"), kinds(engine, "k")) == (["erased"], ["erased"])

    @pytest.mark.parametrize("limit", [1, 2, 5])
    def test_small_parts_do_the_same(self, engine: Engine, limit: int) -> None:
        """G6."""
        for number in range(7):
            put(engine, f"k{number % 3}", LARGE[number:] if number % 2 else number)
        commit(engine, delete("k1"))
        assert erase(engine, erasing("k0", prefixes=("k1", "k2"), limit=limit)) == (7, 0, ())
        assert kinds(engine, "k1") == ["erased", "erased", "delete"]
        check(engine)

    def test_what_is_written_between_two_parts_stays(self, engine: Engine) -> None:
        """G6: an erase reaches up to the present of its first part."""
        put(engine, "a", b"old")
        put(engine, "b", LARGE)
        request = erasing(prefixes=("",), limit=1)
        page = engine.execute(request)
        put(engine, "a", b"new")
        put(engine, "b", LARGE + b"new")
        put(engine, "c", b"new")
        while page.cursor is not None:
            page = engine.execute(replace(request, cursor=page.cursor))
        assert [value(engine, key) for key in "abc"] == [b"new", LARGE + b"new", b"new"]
        assert (kinds(engine, "a"), kinds(engine, "b")) == (["erased", "write"], ["erased", "write"])

    @pytest.mark.parametrize("kept", [b"small", LARGE], ids=["small", "large"])
    def test_nothing_is_made_of_an_erased_value(self, engine: Engine, kept: bytes) -> None:
        """G1, G6."""
        put(engine, "k", kept)
        erase(engine, erasing("k"))
        with pytest.raises(ErasedError):
            grow(engine, "k", "k", 1, len(kept), b"more")
        with pytest.raises(ErasedError):
            commit(engine, write("first"), Extend(name(), name(), 1, (b"new",), BYTES))
        assert newest(engine) == 1

    def test_a_growing_value_is_erased_whole(self, engine: Engine) -> None:
        """G6."""
        put(engine, "k", LARGE)
        size = len(LARGE)
        for version in range(1, 12):
            grow(engine, "k", "k", version, size, b"new " * 400)
            size += 1600
        assert erase(engine, erasing("k")) == (12, 0, ())
        assert kinds(engine) == ["erased"] * 12
        check(engine)

    @pytest.mark.parametrize("erased", ["base", "fork"])
    @pytest.mark.parametrize("limit", [1, 1000])
    def test_what_shares_bytes_is_whole_or_erased_and_told(
        self, engine: Engine, erased: str, limit: int
    ) -> None:
        """G6: whatever the engine keeps as one, no value is ever damaged."""
        put(engine, "base", LARGE)
        grow(engine, "base", "base", 1, len(LARGE), b"more " * 500)
        grow(engine, "fork", "base", 1, len(LARGE) // 2, b"other " * 500)
        put(engine, "alone", LARGE)
        grow(engine, "small", "base", 1, 10, b"!")
        named, shared, told = erase(engine, erasing(erased, limit=limit))
        other = "fork" if erased == "base" else "base"
        lost = {key: kinds(engine, key).count("erased") for key in ("base", "fork", "alone", "small")}
        assert (named, lost["alone"]) == (lost[erased], 0)
        assert shared == lost[other] + lost["small"]
        assert told == tuple(sorted(key for key in (other, "small") if lost[key]))
        whole = LARGE[: len(LARGE) // 2] + b"other " * 500 if other == "fork" else LARGE + b"more " * 500
        if not lost[other]:
            assert value(engine, other) == whole
        assert value(engine, "alone") == LARGE
        check(engine)

    def test_what_was_cut_out_of_a_value_may_stay_and_grow(self, engine: Engine) -> None:
        """G6: bytes of a living value stay where they are, whatever goes around them."""
        put(engine, "log", LARGE)
        size = len(LARGE)
        grow(engine, "log", "log", 1, size, b"a" * 90_000)
        cut = (Copy(size + 10_000, size + 80_000), b"tail" * 100)
        commit(engine, Extend(name("kept"), name("log"), 2, cut, BYTES))
        whole = b"a" * 70_000 + b"tail" * 100
        grow(engine, "log", "log", 2, size + 10_000, b"b" * 5000)
        before = {key: kinds(engine, key) for key in ("kept", "log")}
        erase(engine, erasing("kept", dry_run=True))
        assert {key: kinds(engine, key) for key in ("kept", "log")} == before
        commit(engine, Extend(name("end"), name("kept"), 1, (Copy(70_000, 70_400), b"end" * 400), BYTES))
        erase(engine, erasing("log"))
        for key, expected in (("kept", whole), ("end", b"tail" * 100 + b"end" * 400)):
            if kinds(engine, key) == ["write"]:
                assert value(engine, key) == expected
                grow(engine, key, key, 1, len(expected), b"more" * 300)
                assert value(engine, key) == expected + b"more" * 300
        check(engine)

    def test_a_commit_with_an_erased_value_is_not_applied_again(self, engine: Engine) -> None:
        """G5: its id alone says that it was applied, since what it did is not known any more."""
        once = transaction(write("k", b"yes"))
        first = engine.execute(once)
        erase(engine, erasing("k"))
        for again in (once, replace(once, operations=(write("k", b"no"),))):
            assert (engine.execute(again).commit_ts, newest(engine)) == (first.commit_ts, 1)

    def test_an_erased_value_still_has_its_version(self, engine: Engine) -> None:
        """G3."""
        put(engine)
        erase(engine, erasing("k"))
        commit(engine, write("k", 2), preconditions=(Precondition(name(), version=1),))
        assert value(engine) == 2

    def test_a_version_that_never_was_is_still_not_found(self, engine: Engine) -> None:
        """G6."""
        put(engine)
        erase(engine, erasing("k"))
        with pytest.raises(NotFoundError):
            engine.execute(GetAtVersion(name(), 2))

    def test_commits_and_reads_go_on_meanwhile(self, engine: Engine) -> None:
        """G1, G6: a read finds a whole value or says that it was erased."""
        for number in range(40):
            put(engine, f"k{number}", LARGE[number:])

        def read(number: int) -> bool:
            try:
                return bool(value(engine, f"k{number}") == LARGE[number:])
            except ErasedError:
                return True

        def grown(number: int) -> bool:
            try:
                grow(engine, f"new{number}", f"k{number}", 1, 100_000, LARGE)
            except ErasedError:
                return True
            try:
                return bool(value(engine, f"new{number}") == LARGE[number : number + 100_000] + LARGE)
            except ErasedError:
                return True

        with ThreadPoolExecutor(3) as threads:
            erased = threads.submit(erase, engine, erasing(prefixes=("k",), limit=7))
            reads = [threads.submit(ask, number) for number in range(40) for ask in (read, grown)]
            assert all(asked.result(60) for asked in reads)
            assert erased.result(60)[0] == 40
        assert all(kinds(engine, f"k{number}") == ["erased"] for number in range(40))
        check(engine)

    @pytest.mark.parametrize(
        "request_",
        [
            erasing(),
            erasing(""),
            erasing("a\x00b"),
            erasing(prefixes=("\n",)),
            Erase("", AGENT, ("k",)),
            Erase(NAMESPACE, "", ("k",)),
            erasing("k", limit=0),
            erasing("k", limit=10_001),
            erasing("k", cursor="not a cursor"),
        ],
    )
    def test_what_makes_no_sense_is_refused(self, engine: Engine, request_: Erase) -> None:
        """G8."""
        put(engine)
        with pytest.raises(InvalidArgumentError):
            engine.execute(request_)
        assert value(engine) == 1

    def test_too_many_names_are_refused(self, engine: Engine) -> None:
        """G8."""
        most = DEFAULT_LIMITS.get_many_keys_max
        with pytest.raises(LimitExceededError):
            engine.execute(erasing(*(f"k{number}" for number in range(most)), prefixes=("x",)))
        with pytest.raises(LimitExceededError):
            engine.execute(erasing("k" * 1025))

    def test_a_cursor_of_another_erase_is_refused(self, engine: Engine) -> None:
        """G8."""
        put(engine, "a")
        put(engine, "k")
        cursor = engine.execute(erasing("a", limit=1)).cursor
        if cursor is not None:
            with pytest.raises(InvalidArgumentError):
                engine.execute(erasing("k", limit=1, cursor=cursor))
            assert value(engine, "k") == 1
