"""The hullwise command: as a process in a home of its own, or in this process."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from hullwise.cli import main

Done = subprocess.CompletedProcess[str]


@dataclass(frozen=True)
class Hullwise:
    """Runs `hullwise` as somebody would whose home is the folder, and who has set nothing but the settings."""

    home: Path
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("HULLWISE_", "AWS_", "XDG_"))}
        return kept | {
            "HOME": str(self.home),
            # Both where Linux has them, on every system.
            "XDG_DATA_HOME": str(self.home / ".local/share"),
            "XDG_CACHE_HOME": str(self.home / ".cache"),
            "COLUMNS": "200",
            **self.settings,
        }

    @property
    def command(self) -> list[str]:
        return [sys.executable, "-m", "hullwise"]

    def __call__(self, *arguments: str | Path, **environment: str) -> Done:
        return subprocess.run(
            [*self.command, *(str(argument) for argument in arguments)],
            capture_output=True,
            text=True,
            env=self.environment | environment,
            timeout=120,
        )

    def start(self, *arguments: str | Path, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*self.command, *(str(argument) for argument in arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment | environment,
        )


def output(done: Done) -> str:
    """What a command printed that went well."""
    assert done.returncode == 0, done.stderr
    return done.stdout


def remarks(done: Done) -> str:
    """What a command said to people: standard error without the audit trail."""
    lines = done.stderr.splitlines(keepends=True)
    return "".join(line for line in lines if not re.match(r"\S+Z \[info +\] changed ", line))


def document(done: Done) -> Any:
    """The JSON that a command printed that went well, and without complaint."""
    found = output(done)
    assert remarks(done) == ""
    return json.loads(found)


def complaint(done: Done) -> str:
    """The one line that a command gave up with, after `hullwise: `."""
    assert done.returncode == 1, (done.returncode, done.stdout, done.stderr)
    assert done.stdout == ""
    line, end, rest = done.stderr.partition("\n")
    assert (end, rest) == ("\n", ""), done.stderr
    assert line.startswith("hullwise: "), line
    return line.removeprefix("hullwise: ")


def in_process(data: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Runs the command on that data folder in this process: a new one takes a second to begin."""

    def run(*arguments: str | Path) -> Done:
        given = [str(argument) for argument in (*arguments, "--data", data)]
        before, sys.argv = sys.argv, ["hullwise", *given]
        # What chooses tests is no setting, and a command would say so.
        chosen = {name: os.environ.pop(name) for name in ("HULLWISE_WIRE", "HULLWISE_SHARED") if name in os.environ}
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        status: Any = 0
        try:
            main()
        except SystemExit as end:
            status = end.code or 0
        finally:
            sys.argv = before
            os.environ.update(chosen)
            for number, handler in handlers.items():
                signal.signal(number, handler)
        out, err = capsys.readouterr()
        return Done(given, status, out, err)

    return run
