"""What people type wrongly, and what they are told: one paragraph and exit code 2, never a traceback."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import click
import pytest

from statehouse import errors
from statehouse.cli.app import app
from statehouse.programs.exits import Exit, exit_of

Run = Callable[..., Any]


@pytest.mark.parametrize(
    "args",
    [
        ("gte",),
        ("--bogus",),
        ("get",),
        ("get", "a"),
        ("get", "a", "b", "c"),
        ("get", "a", "b", "--bogus"),
        ("get", "a", ""),
        ("get", "a\x01", "b"),
        ("get", "a" * 300, "b"),
        ("get", "a", "b", "--version", "0"),
        ("get", "a", "b", "--version", "1", "--at", "1"),
        ("get", "a", "b", "--at", "yesterday"),
        ("get", "a", "b", "--at", "7.5"),
        ("get", "a", "b", "--at", "9999999999999999"),
        ("get", "a", "b", "--at", "-99999999w"),
        ("get", "planner", "goal", "--at", "99"),
        ("keys", "a", "--limit", "-1"),
        ("keys", "a", "--limit", "x"),
        ("replay", "--since", "5"),
        ("replay", "--from", "12:00"),
        ("replay", "--from", "1", "--since", "-5m"),
        ("replay", "--to", "1", "--until", "-5m"),
        ("replay", "--follow", "--until", "-5m"),
        ("diff", "planner"),
        ("put", "a", "k", "tea"),
        ("put", "a", "k", "NaN"),
        ("put", "a", "k", "[" * 40 + "]" * 40),
        ("put", "a", "k", "[" * 100_000),
        ("put", "a", "k", "@no-such-file"),
        ("put", "a", "k", "@."),
        ("put", "a", "k", "1", "--text", "--bytes"),
        ("put", "a", "k", "1", "--if-version", "1", "--if-commit-ts", "1"),
        ("put", "a", "k", "1", "--if-version", "-1"),
        ("put", "a", "k", "1", "--timeout", "0"),
        ("health", "--timeout", "soon"),
        ("health", "--url", "bogus"),
        ("health", "-n", ""),
        ("store",),
        ("store", "chek"),
        ("store", "dump"),
        ("store", "dump", "-o", "no-such-directory/dump"),
        ("store", "dump", "-o", "-", "--from", "99"),
        ("store", "dump", "-o", "-", "--to", "99"),
        ("store", "dump", "-o", "-", "--from", "3", "--to", "2"),
        ("store", "load", "no-such-file"),
        ("store", "load", "."),
    ],
    ids=lambda args: " ".join(args)[:60],
)
def test_what_makes_no_sense_exits_with_2(look: Run, args: tuple[str, ...]) -> None:
    ran = look(*args)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err


def test_an_error_is_one_paragraph(look: Run) -> None:
    err = look("get", "planner", "goal", "--at", "99").err
    assert err.startswith("statehousectl: ")
    assert err.count("\n") == 1


def test_the_version_is_an_option_too(look: Run) -> None:
    ran = look("--version", url="file:./no-such-store")
    assert (ran.code, ran.out) == (0, look("version", url="").out)


def test_a_missing_argument_shows_the_usage(look: Run) -> None:
    assert "Usage: statehousectl get [OPTIONS] AGENT KEY" in look("get", "a").err


def test_an_error_does_not_obey_what_a_name_says(look: Run) -> None:
    assert "\x9b" not in look("get", "planner", "\x9b31m\u202e").err


@pytest.mark.parametrize(
    "args",
    [
        ("get", "planner", "goal"),
        ("keys", "planner"),
        ("scan", "planner"),
        ("history", "planner", "plan"),
        ("state", "planner"),
        ("diff", "planner", "--at", "1"),
        ("replay",),
        ("find", "r-42"),
        ("blame", "planner", "goal"),
        ("agents",),
        ("namespaces",),
        ("store", "status"),
        ("store", "check"),
        ("store", "dump", "-o", "-"),
        ("health",),
        ("version",),
    ],
    ids=" ".join,
)
def test_json_of_every_command_parses(look: Run, args: tuple[str, ...]) -> None:
    ran = look(*args, "--json")
    assert [json.loads(line) for line in ran.out.splitlines()]


def test_every_command_that_prints_is_in_the_test_of_json() -> None:
    there = {name for name, command in app.commands.items() if not isinstance(command, click.Group)}
    assert there == {
        *("get", "put", "delete", "keys", "scan", "history", "state", "diff"),
        *("replay", "find", "blame", "agents", "namespaces", "health", "version"),
    }


def names() -> list[str]:
    """Every command that can be typed."""
    groups = {name: each for name, each in app.commands.items() if isinstance(each, click.Group)}
    below = [f"{name} {each}" for name, group in groups.items() for each in group.commands]
    return [*(name for name in app.commands if name not in groups), *below]


def test_help_has_every_command_in_one_line(look: Run) -> None:
    lines = look("--help").out.splitlines()
    assert [name for name in names() if not any(line.startswith(f"  {name} ") for line in lines)] == []


@pytest.mark.parametrize("name", ["store", "run", *names()])
def test_help_of_every_command_fits_a_terminal(look: Run, name: str) -> None:
    ran = look(*name.split(), "--help")
    assert ran.code == 0
    assert max(map(len, ran.out.splitlines())) <= 80


def test_every_error_has_an_exit_code() -> None:
    leaves = [error for error in map(errors.error_class, _codes()) if error is not errors.StatehouseError]
    assert {error.code for error in leaves if exit_of(error()) is Exit.DEFECT} == set()


def _codes() -> list[str]:
    found = [getattr(errors, name) for name in errors.__all__]
    classes = [each for each in found if isinstance(each, type)]
    return [each.code for each in classes if issubclass(each, errors.StatehouseError)]
