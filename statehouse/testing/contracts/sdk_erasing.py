"""What a handle erases is gone for good (G6), whatever is behind it."""

from __future__ import annotations

import pytest

from statehouse import Statehouse
from statehouse.errors import ErasedError, InvalidArgumentError, LimitExceededError


class SdkErasingContract:
    """Erasing."""

    def test_a_deleted_key_leaves_nothing_behind(self, sh: Statehouse) -> None:
        """What it is for: first one, then the other."""
        agent = sh.agent("planner")
        for number in range(3):
            agent.write("ann", {"mail": number})
        agent.delete("ann")
        done = agent.erase(keys=["ann"])
        assert (done.versions, done.shared_versions, done.shared_keys, done.cursor) == (3, 0, (), None)
        assert agent.list_keys() == []
        assert [version.kind for version in agent.history("ann")] == ["erased"] * 3 + ["delete"]
        with pytest.raises(ErasedError, match="default/planner/ann") as caught:
            agent.get_state("ann", at=2)
        assert (caught.value.version, caught.value.commit_ts) == (2, 2)

    def test_a_prefix_is_erased_and_the_rest_stays(self, sh: Statehouse) -> None:
        """And so are keys beside it."""
        for key in ("person/ann", "person/ben", "goal", "plan"):
            sh.write(key, key, agent_id="a")
        assert sh.erase(agent_id="a", prefix="person/", keys=(key for key in ["plan"])).versions == 3
        assert sh.get_state("goal", agent_id="a").value == "goal"
        with pytest.raises(ErasedError):
            sh.get_state("plan", agent_id="a")

    def test_the_empty_prefix_is_the_whole_agent(self, sh: Statehouse) -> None:
        """In its namespace."""
        for namespace in ("default", "other"):
            sh.write("k", 1, agent_id="a", namespace=namespace)
        assert sh.agent("a", namespace="other").erase(prefix="").versions == 1
        assert sh.get_state("k", agent_id="a").value == 1

    def test_a_dry_run_changes_nothing(self, sh: Statehouse) -> None:
        """And says what would be."""
        sh.write("k", 1, agent_id="a")
        assert sh.erase(agent_id="a", prefix="", dry_run=True).versions == 1
        assert sh.get_state("k", agent_id="a").value == 1

    def test_the_events_say_that_it_was_erased(self, sh: Statehouse) -> None:
        """G7: they are all there."""
        sh.write("k", "secret", agent_id="a")
        sh.erase(agent_id="a", keys=["k"])
        assert [event.operations[0].kind for event in sh.replay()] == ["erased"]
        assert list(sh.replay_pretty()) == [line for line in sh.replay_pretty() if "secret" not in line]
        assert sh.check().ok

    def test_a_value_that_grows_from_an_erased_one_is_written_whole(self, sh: Statehouse) -> None:
        """`extends=` cannot make a write fail."""
        agent = sh.agent("a")
        agent.write("log", ["x" * 3000])
        log = agent.get_state("log")
        agent.erase(keys=["log"])
        agent.write("log", [*log.value, "y"], extends=log)
        assert (agent.get_state("log").value[-1], agent.get_state("log").version) == ("y", 2)

    def test_what_makes_no_sense_is_refused(self, sh: Statehouse) -> None:
        """Erasing nothing in particular, most of all."""
        sh.write("k", 1, agent_id="a")
        with pytest.raises(InvalidArgumentError, match="keys or prefixes"):
            sh.erase(agent_id="a")
        with pytest.raises(InvalidArgumentError):
            sh.erase(agent_id="a", keys="k")
        with pytest.raises(InvalidArgumentError):
            sh.erase(agent_id="", prefix="")
        with pytest.raises(LimitExceededError):
            sh.erase(agent_id="a", keys=["k" * 1025])
        assert sh.get_state("k", agent_id="a").value == 1
