"""hullwise ignore and hullwise vex: what an account says of findings in its own images."""

from __future__ import annotations

import getpass
import re
from datetime import datetime, timedelta
from pathlib import Path

import click
import sqlalchemy as sa

from hullwise.advisories.vex.document import DOCUMENT_LIMIT
from hullwise.cli import trail
from hullwise.cli.failures import Failure
from hullwise.cli.opening import chosen_account, opened
from hullwise.cli.texts import printable
from hullwise.domain.errors import VulnerabilityNotFound
from hullwise.scanning import affected, overlay_changes
from hullwise.services import Services
from hullwise.store import overlays as store
from hullwise.store.overlays import VexDocument

_COMPLAINTS = 20
"""Lines on what is not used of a document, at most."""


def _author() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "hullwise"


_SPAN = re.compile(r"([1-9][0-9]{0,4})([hdw])")
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


def _moment(text: str | None, now: datetime) -> datetime | None:
    """`30d`, `12h`, `6w`, or a date or moment in RFC 3339."""
    if text is None:
        return None
    span = _SPAN.fullmatch(text)
    if span is not None:
        return now + int(span[1]) * _UNITS[span[2]]
    try:
        found = datetime.fromisoformat(text)
        return found if found.tzinfo is not None else found.astimezone()
    except (ValueError, OverflowError) as error:
        raise Failure(f"--expires: '{printable(text)}' is neither a span such as 30d nor a date") from error


def ignore_add(
    *,
    vulnerability: str,
    package: str,
    fixable: str,
    repository: str,
    reason: str,
    author: str | None,
    expires: str | None,
    account: str | None,
    data: Path | None,
) -> None:
    with opened(data=data) as services:
        chosen = chosen_account(services, account)
        until = _moment(expires, services.clock())
        made = services.database.run(
            lambda tx: overlay_changes.add_rule(
                tx,
                services,
                chosen,
                repository=repository,
                vulnerability=vulnerability,
                package=package,
                fixable=fixable,
                reason=reason,
                author=author or _author(),
                expires_at=until,
            )
        )
        trail.changed(chosen, what=str(made.id))
        click.echo(f"rule {made.id} is in force" + (f" until {made.expires_at:%Y-%m-%d %H:%M}" if until else ""))
        if vulnerability and not _known(services, chosen, vulnerability):
            name = printable(vulnerability)
            click.echo(f"no advisory that is loaded has the id {name}: the rule fits nothing until one does", err=True)


def _known(services: Services, account: str, vulnerability: str) -> bool:
    try:
        with services.database.read() as tx:
            affected.find(tx, services, account, services.settings.regions[0], vulnerability, size=1)
    except VulnerabilityNotFound:
        return False
    return True


def ignore_list(*, account: str | None, data: Path | None) -> None:
    with opened(data=data) as services:
        chosen, now = chosen_account(services, account), services.clock()
        with services.database.read() as tx:
            found = store.rules(tx, chosen)
        for rule in found:
            about = [
                rule.vulnerability,
                rule.package,
                {"yes": "with a fix", "no": "without a fix"}.get(rule.fixable, ""),
            ]
            scope = f"  in {rule.repository}" if rule.repository else ""
            state = ""
            if rule.expires_at is not None:
                state = f"  {'expired' if rule.expires_at <= now else 'until'} {rule.expires_at:%Y-%m-%d %H:%M}"
            words = " ".join(part for part in about if part)
            click.echo(printable(f"{rule.id:>5}  {words}{scope}{state}  {rule.reason} ({rule.author})"))


def ignore_remove(*, rule_id: int, account: str | None, data: Path | None) -> None:
    with opened(data=data) as services:
        chosen = chosen_account(services, account)
        services.database.run(lambda tx: overlay_changes.remove_rule(tx, services, chosen, rule_id))
        trail.changed(chosen, what=str(rule_id))
        click.echo(f"rule {rule_id} is taken back")


def vex_add(*, path: Path, repository: str, account: str | None, data: Path | None) -> None:
    with opened(data=data) as services:
        chosen = chosen_account(services, account)
        with path.open("rb") as file:
            given = overlay_changes.read(file.read(DOCUMENT_LIMIT + 1))

        def add(tx: sa.Connection) -> tuple[VexDocument, list[int]]:
            before = store.documents(tx, chosen)
            made = overlay_changes.add_document(tx, services, chosen, given, repository=repository, added_by=_author())
            same = (made.name, made.repository)
            return made, [each.id for each in before if (each.name, each.repository) == same]

        made, replaced = services.database.run(add)
        trail.changed(chosen, what=str(made.id))
        instead = "".join(f"; it replaces document {number}" for number in replaced)
        said = f"document {made.id} is in force: {made.statements} statements of {printable(made.name)}{instead}"
        click.echo(said)
        for why in given.document.complaints(_COMPLAINTS):
            click.echo(f"  not used: {printable(why)}")


def vex_list(*, account: str | None, data: Path | None) -> None:
    with opened(data=data) as services:
        chosen = chosen_account(services, account)
        with services.database.read() as tx:
            found = store.documents(tx, chosen)
        for each in found:
            scope = f"  in {each.repository}" if each.repository else ""
            text = (
                f"{each.id:>5}  {each.format:9}  {each.statements:>5} statements  {each.name}{scope}  ({each.author})"
            )
            click.echo(printable(text))


def vex_remove(*, document_id: int, account: str | None, data: Path | None) -> None:
    with opened(data=data) as services:
        chosen = chosen_account(services, account)
        services.database.run(lambda tx: overlay_changes.remove_document(tx, services, chosen, document_id))
        trail.changed(chosen, what=str(document_id))
        click.echo(f"document {document_id} is taken back")
