"""Programs that ask a daemon: interrupted, forked, ended without a word, killed."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator

import pytest

from statehouse.engine import LocalEngine
from statehouse.protocol.requests import LookupTxn, Replay, Status
from statehouse.rpc.calling import RemoteEngine
from statehouse.testing.contracts.engine_phrases import put, transaction, write
from statehouse.testing.daemon import serving
from statehouse.testing.faults import Call
from tests.crash.killing import REPOSITORY
from tests.engine_faults.gates import GatedStore
from tests.rpc.daemons import eventually, free_target, within

HEADER = """
    import asyncio, faulthandler, os, signal, sys, threading, warnings
    from statehouse import Statehouse, StatehouseAsync
    from statehouse.errors import *
    from statehouse.protocol.requests import *
    from statehouse.rpc.calling import RemoteEngine
    # From 3.12 on Python warns of a fork among threads; that is what is tested here.
    warnings.filterwarnings("ignore", category=DeprecationWarning, message=".*fork.*")
    # Not `dump_traceback_later`: its thread is not forked, and a child would wait for it at its end.
    faulthandler.register(signal.SIGALRM, chain=True)
    signal.alarm(50)
    target = sys.argv[1]
    def say(text):
        print(text, flush=True)
"""


@pytest.fixture
def engine(gated: LocalEngine) -> LocalEngine:
    """What the daemon serves; its commits can be made to wait."""
    return gated


@pytest.fixture
def target(engine: LocalEngine) -> Iterator[str]:
    """Where the daemon is."""
    with serving(engine, grace_s=0.1) as target:
        yield target


class Program:
    """A process that runs a script."""

    def __init__(self, script: str, target: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(HEADER) + textwrap.dedent(script), target],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=REPOSITORY,
        )

    def say(self, line: str) -> None:
        """Writes a line to its standard input."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def hears(self) -> str:
        """The next line that it says."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def end(self) -> tuple[int, str, str]:
        """How it ended: its exit code, what it said since, and what it complained of."""
        with self.process as process:
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdin.close()
            # Not by `communicate`, which forgets what was read together with a line that `hears` gave. A
            # program that does not end is ended by its own alarm.
            out, err = process.stdout.read(), process.stderr.read()
        return process.returncode, out.strip(), err.strip()


def run(script: str, target: str) -> str:
    """What a program says that ends well and complains of nothing."""
    code, out, err = Program(script, target).end()
    assert (code, err) == (0, "")
    return out


# Ctrl-C.

BLOCKING = {
    "a commit that is being written": 'sh.write("k", 1, agent_id="a")',
    "following": 'list(sh.replay(agent_id="a", follow=True))',
    "a conversation that has not begun": 'Statehouse("127.0.0.1:1", connect_timeout=40).status()',
    "a task that commits": 'asyncio.run(StatehouseAsync(target).write("k", 1, agent_id="a"))',
}


@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot be sent Ctrl-C alone")
@pytest.mark.parametrize("what", BLOCKING)
def test_ctrl_c_ends_what_waits_at_once_and_the_handle_works_on(
    store: GatedStore, target: str, what: str
) -> None:
    script = f"""
    sh = Statehouse(target)
    sh.write("before", 1, agent_id="a")
    say("open")
    sys.stdin.readline()
    try:
        threading.Timer(0.1, say, ("waiting",)).start()
        {BLOCKING[what]}
    except KeyboardInterrupt:
        say("interrupted")
    say(sh.health())
    """
    program = Program(script, target)
    assert program.hears() == "open"
    store.shut(Call.WRITE)
    program.say("go on")
    assert program.hears() == "waiting"
    if "commit" in what:
        store.await_arrival(Call.WRITE)
    with within(1):
        program.process.send_signal(signal.SIGINT)
        assert program.hears() == "interrupted"
    store.lift(Call.WRITE)
    assert program.end() == (0, "ok", "")


# Forks.


def test_every_call_in_a_forked_child_is_refused_and_the_parent_goes_on(
    engine: LocalEngine, target: str
) -> None:
    script = """
    def refused(call):
        try:
            call()
        except ForkedProcessError:
            return True
        return False

    engine = RemoteEngine(target)
    sh = Statehouse(target)
    sh.write("k", 0, agent_id="a")
    engine.execute(Status())
    calls = [
        lambda: sh.write("k", 1, agent_id="a"),
        lambda: list(sh.replay(whole_store=True)),
        lambda: engine.execute(Status()),
        lambda: engine.submit(Status()).result(5),
        lambda: engine.execute(Commit("c", ())),
        lambda: engine.submit(Replay(wait_s=10.0)).result(5),
    ]
    child = os.fork()
    if not child:
        good = all(refused(call) for call in calls)
        repr(engine)
        engine.close()
        sh.close()
        os._exit(0 if good else 1)
    assert os.waitpid(child, 0)[1] == 0
    for number in range(20):
        sh.write("k", number, agent_id="a")
    """
    run(script, target)
    assert engine.execute(Status()).commit_ts == 21


@pytest.mark.parametrize("leave", ["sys.exit(0)", "os._exit(0)", "engine.close(); sys.exit(0)", "del engine"])
def test_a_forked_child_ends_by_itself(target: str, leave: str) -> None:
    script = f"""
    engine = RemoteEngine(target)
    following = engine.submit(Replay(from_ts=1, wait_s=30.0))
    engine.execute(Status())
    child = os.fork()
    if not child:
        {leave}
        sys.exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert engine.execute(Health()) == "ok"
    engine.close()
    """
    run(script, target)


def test_a_fork_while_other_threads_ask_harms_nothing(engine: LocalEngine, target: str) -> None:
    script = """
    sh = Statehouse(target)
    begun = threading.Barrier(4)
    def work(first):
        begun.wait()
        for number in range(first, first + 100):
            sh.write(f"{number}", number, agent_id="a")
    threads = [threading.Thread(target=work, args=(1000 * n,)) for n in (1, 2, 3)]
    for thread in threads:
        thread.start()
    begun.wait()
    for _ in range(5):
        child = os.fork()
        if not child:
            try:
                sh.write("k", 9999, agent_id="a")
            except ForkedProcessError:
                os._exit(0)
            os._exit(1)
        assert os.waitpid(child, 0)[1] == 0
    for thread in threads:
        thread.join()
    """
    run(script, target)
    assert engine.execute(Status()).commit_ts == 300


# Ends.


LEAVING = [
    "pass",
    "sys.exit(0)",
    "os._exit(0)",
    "threading.Thread(target=sh.status).start()",
    "threading.Thread(target=list, args=(sh.replay(from_ts=99, follow=True),), daemon=True).start()",
    "engine.execute(Health())",
    "engine.submit(Replay(from_ts=99, wait_s=600.0)); engine.execute(Health())",
    "unary.execute(Health())",
    "unary.submit(Replay(from_ts=99, wait_s=600.0)); unary.execute(Health())",
    "asyncio.run(StatehouseAsync(target).status())",
    "kept = [Statehouse(target) for _ in range(20)]",
]


@pytest.mark.parametrize("leave", LEAVING)
def test_a_program_that_forgot_to_close_ends_at_once_and_says_nothing(
    engine: LocalEngine, target: str, leave: str
) -> None:
    script = f"""
    sh, engine, unary = Statehouse(target), RemoteEngine(target), RemoteEngine(target, pipelined=False)
    sh.write("k", 1, agent_id="a")
    {leave}
    """
    with within(3):
        assert run(script, target) == ""
    assert engine.execute(Status()).commit_ts == 1


def test_a_program_without_a_daemon_ends_soon(target: str) -> None:
    script = """
    sh = Statehouse(target, connect_timeout=0.2)
    engine = RemoteEngine(target, connect_timeout=0.2)
    engine.submit(Status())
    try:
        sh.status()
    except ConnectionError as error:
        say(str(error))
    """
    nowhere = free_target()
    with within(3):
        assert nowhere in run(script, nowhere)


def test_of_a_client_that_was_killed_while_it_committed_the_daemon_keeps_nothing(
    engine: LocalEngine, store: GatedStore, target: str
) -> None:
    """Its commit is applied or not; nobody waits, follows or is counted any more."""
    remote = RemoteEngine(target)
    put(remote)
    script = """
    engine = RemoteEngine(target)
    from statehouse.protocol.names import RecordKey
    key = RecordKey("default", "a", "k")
    engine.submit(Replay(from_ts=99, wait_s=600.0))
    engine.execute(Health())
    for number in range(200):
        engine.submit(Commit(f"{number}", (Delete(key),)))
    say("committing")
    signal.pause()
    """
    store.shut(Call.WRITE)
    # It waits in the writer's thread, so what comes after it waits there too, and not in the daemon's loop.
    waiting = engine.submit(transaction(write(), txn_id="first"))
    store.await_arrival(Call.WRITE)
    program = Program(script, target)
    assert program.hears() == "committing"
    eventually(lambda: engine.execute(Status()).followers == 1)
    program.process.kill()
    program.end()
    eventually(lambda: engine.execute(Status()).followers == 0)
    store.lift(Call.WRITE)
    assert waiting.result(60).commit_ts == 2
    eventually(lambda: engine.execute(Status()).queued_commits == 0)
    log = engine.execute(Replay(from_ts=2)).events
    assert len({event.txn_id for event in log}) == len(log)
    assert all(engine.execute(LookupTxn(event.txn_id)).commit_ts == event.commit_ts for event in log)
    put(remote)
    remote.close()
