"""The check of the house: what it must notice, and what it must let pass."""

from __future__ import annotations

import pytest

from tools.house import complaints

# All in two parts, so that this file keeps the rule it tests.
INDEX_HOST = "https://py" + "pi.org" + "/simple"
HOME = "/ro" + "ot/project/data"


@pytest.mark.parametrize("text", [INDEX_HOST, HOME, f'path = "{HOME}"'])
def test_what_is_not_the_same_on_every_machine_is_noticed(text: str) -> None:
    assert len(list(complaints("README.md", text.encode()))) == 1


@pytest.mark.parametrize(
    "text", ["https://example.com/ro" + "ot/x", "./wo" + "rk/data", "file:./tmp/x", "a/home/b"]
)
def test_a_path_that_only_looks_like_one_of_a_machine_passes(text: str) -> None:
    assert list(complaints("README.md", text.encode())) == []


@pytest.mark.parametrize(
    "what", ["statehouse", "-U statehouse", "'statehouse[testing]'", "statehouse==0.2.0"]
)
def test_an_install_from_the_index_is_noticed(what: str) -> None:
    assert len(list(complaints("README.md", f"pip install {what}".encode()))) == 1


@pytest.mark.parametrize("what", ["./statehouse", "statehouse/", "statehouse-0.2.0.whl", "statehouse_x"])
def test_an_install_from_a_checkout_or_a_wheel_passes(what: str) -> None:
    assert list(complaints("README.md", f"pip install {what}".encode())) == []


def test_a_module_of_601_lines_is_noticed() -> None:
    assert "601" in next(complaints("statehouse/engine/x.py", b"\n" * 601))


def test_a_module_called_after_nothing_in_particular_is_noticed() -> None:
    assert "helpers" in next(complaints("statehouse/engine/helpers.py", b""))


def test_a_floor_that_imports_the_front_door_is_noticed() -> None:
    assert "front door" in next(complaints("statehouse/engine/x.py", b"from statehouse import Statehouse"))


def test_a_floor_may_import_a_floor_by_its_name() -> None:
    assert list(complaints("statehouse/engine/x.py", b"from statehouse import errors")) == []


def test_a_program_may_import_the_front_door() -> None:
    assert list(complaints("statehouse/cli/x.py", b"from statehouse import Statehouse")) == []


def test_an_integration_that_reaches_below_the_public_names_is_noticed() -> None:
    found = list(
        complaints("integrations/x/y.py", b"from statehouse.engine import local\nimport statehouse.extend\n")
    )
    assert len(found) == 1
    assert "statehouse.engine" in found[0]


def test_bytes_are_nobody_s_prose() -> None:
    assert list(complaints("tests/compat/data", b"\xff\xfe" + HOME.encode())) == []
