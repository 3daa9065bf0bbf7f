"""The documentation is whole: each setting, command and operation is in it, and its links lead somewhere."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import click
import pytest

from hullwise.advisories.fetching import FEEDS
from hullwise.api.routes import ERRORS
from hullwise.cli.commands import app
from hullwise.domain import limits
from hullwise.ecr import model
from hullwise.ecr.operations import NOT_OFFERED
from hullwise.settings import Settings

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text()


def commands(group: click.Group, above: str = "hullwise") -> list[str]:
    found = []
    for name, command in group.commands.items():
        path = f"{above} {name}"
        found += commands(command, path) if isinstance(command, click.Group) else [path]
    return found


def test_every_setting_is_documented() -> None:
    """Each field of Settings has a row in the table of settings."""
    text = page("operations.md")
    assert [item.name for item in fields(Settings) if f"| `{item.name}` |" not in text] == []


def test_every_command_is_documented() -> None:
    """Each command has a row in the table of commands."""
    text = page("operations.md")
    assert [command for command in commands(app) if f"| `{command}" not in text] == []


def test_every_operation_is_documented_as_it_is() -> None:
    """Each operation of the model has a row that says truly whether it is offered."""
    text = page("ecr-compatibility.md")
    wrong = [
        name for name in model.operation_names() if f"| {name} | {'no' if name in NOT_OFFERED else 'yes'} |" not in text
    ]
    assert wrong == []


def test_every_limit_is_documented_as_it_is() -> None:
    """Each constant of the table of limits has a row with its number."""
    rows = dict(re.findall(r"^\| `([A-Z_]+)`[^|]*\| ([0-9,]+) \|", page("limits.md"), re.MULTILINE))
    found = {name: f"{value:,}" for name, value in vars(limits).items() if name.isupper()}
    assert rows == found


# Kept by the service model alone, which every parameter of the AWS API is checked by.
BY_THE_MODEL = {"PART_BYTES": "LayerPartBlob"}


def test_every_limit_decides_something() -> None:
    """Each constant of the table of limits is read where something is refused, or is what the service model says."""
    sources = [path.read_text() for path in (ROOT / "src").rglob("*.py") if path.name != "limits.py"]
    read = {name for text in sources if "domain" in text for name in re.findall(r"\blimits\.([A-Z_]+)\b", text)}
    for text in sources:
        for names in re.findall(r"^from hullwise\.domain\.limits import (.+)$", text, re.MULTILINE):
            read |= set(names.split(", "))
    assert {name for name in vars(limits) if name.isupper()} - read == BY_THE_MODEL.keys()
    for name, shape in BY_THE_MODEL.items():
        assert vars(limits)[name] == model.service_model().shape_for(shape).metadata["max"]


def test_every_refusal_of_our_own_api_is_documented() -> None:
    """Each status and code of its table has a row, and so has what its routes refuse beside it."""
    found = set(re.findall(r"^\| (\d{3}) \| `(\w+)` \|", page("api.md"), re.MULTILINE))
    beside = {(405, "MethodNotAllowed"), (413, "TooLarge"), (500, "InternalError")}
    assert found == {(str(status), code) for status, code in {*ERRORS.values(), *beside}}


def test_every_feed_is_documented_with_its_address() -> None:
    """Each feed has a row with the address that a mirror's takes the place of."""
    rows = dict(re.findall(r"^\| `([a-z]+)` \| `(https://[^`]+)` \|", page("advisories.md"), re.MULTILINE))
    assert rows == {name: feed.address for name, feed in FEEDS.items()}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    """Every relative link names a file that is there."""
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text())
    missing = [target for target in targets if "://" not in target and not (path.parent / target).exists()]
    assert missing == []


def test_the_readme_names_make_targets_that_exist() -> None:
    """Each `make` command in README and CONTRIBUTING is a target of the Makefile."""
    text = (ROOT / "README.md").read_text() + (ROOT / "CONTRIBUTING.md").read_text()
    named = set(re.findall(r"(?:^|\s|`)make ([a-z-]+)", text))
    makefile = (ROOT / "Makefile").read_text()
    assert {target for target in named if not re.search(rf"^{target}:", makefile, re.MULTILINE)} == set()


def test_locks_name_no_host() -> None:
    """No line of a lock file holds an address or a path: installing asks whatever registry is configured."""
    locks = sorted(ROOT.glob("requirements*.lock"))
    assert len(locks) == 4
    found = [line for lock in locks for line in lock.read_text().splitlines() if "://" in line or "file:" in line]
    assert found == []
