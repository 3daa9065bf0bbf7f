"""hullwise events: who is told of what happens, and what did not reach them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import IO

import click

from hullwise.cli import trail
from hullwise.cli.failures import Failure
from hullwise.cli.opening import chosen_account, opened
from hullwise.cli.texts import printable
from hullwise.events import deliveries
from hullwise.events import receivers as store
from hullwise.notifications import receivers, replays
from hullwise.notifications.receivers import Bus

_SHOWN = 200
"""Dead letters that are listed."""


def add(
    *,
    url: str,
    types: Sequence[str],
    bus: str | None,
    region: str | None,
    key_id: str | None,
    secret_file: IO[str] | None,
    account: str | None,
    data: Path | None,
) -> None:
    of_bus = (region, key_id, secret_file)
    if bus is None and any(given is not None for given in of_bus):
        raise Failure("--region, --key-id and --secret-file are for an event bus: give --bus too")
    with opened(data=data) as services:
        chosen = chosen_account(services, account)
        if bus is None:
            made, secret = services.database.run(
                lambda tx: receivers.add_webhook(tx, services, chosen, url=url, kinds=types)
            )
            trail.changed(chosen, what=str(made.id))
            click.echo(f"receiver {made.id}  secret {secret}")
            click.echo("The secret is not shown again.", err=True)
            return
        if key_id is None or secret_file is None:
            raise Failure("an event bus needs --key-id and --secret-file")
        # What is longer than a secret can be is refused as it is.
        target = Bus(bus, region or services.settings.regions[0], key_id, secret_file.read(1_024).rstrip("\r\n"))
        made = services.database.run(
            lambda tx: receivers.add_bus(tx, services, chosen, url=url, bus=target, kinds=types)
        )
        trail.changed(chosen, what=str(made.id))
        click.echo(f"receiver {made.id}")


def show(*, account: str | None, data: Path | None) -> None:
    with opened(data=data, unsealing=False) as services:
        chosen = chosen_account(services, account)
        with services.database.read() as tx:
            found = [(each, *deliveries.standing(tx, each.id)) for each in store.of_account(tx, chosen)]
        for receiver, waiting, failure in found:
            said = receivers.described(receiver)
            bus = f"  bus {receiver.bus} in {receiver.region}" if receiver.bus else ""
            types = f"  {', '.join(receiver.kinds)}" if receiver.kinds else ""
            state = (f"  {waiting:,} waiting" if waiting else "") + (f"  last failure: {failure}" if failure else "")
            click.echo(printable(f"{receiver.id:>5}  {receiver.kind:11}  {said['url']}{bus}{types}{state}"))


def remove(*, receiver: int, account: str | None, data: Path | None) -> None:
    with opened(data=data, unsealing=False) as services:
        chosen = chosen_account(services, account)
        services.database.run(lambda tx: receivers.remove(tx, services, chosen, receiver))
        trail.changed(chosen, what=str(receiver))
        click.echo(f"receiver {receiver} is removed")


def dead(*, account: str | None, data: Path | None) -> None:
    with opened(data=data) as services:
        chosen = chosen_account(services, account)
        with services.database.read() as tx:
            count, letters = deliveries.dead_letters(tx, chosen, _SHOWN)
        if not letters:
            click.echo("There are no dead letters.", err=True)
        for uid, kind, letter in letters:
            given_up = f"{letter.dead_at:%Y-%m-%d %H:%M}" if letter.dead_at else ""
            words = f"{uid}  receiver {letter.receiver}  {given_up}  {kind}  {letter.attempts} attempts"
            click.echo(printable(f"{words}  {letter.failure}"))
        if count > len(letters):
            click.echo(f"{count - len(letters):,} older ones are not listed", err=True)


def replay(*, events: Sequence[str], receiver: int | None, account: str | None, data: Path | None) -> None:
    with opened(data=data) as services:
        chosen = chosen_account(services, account)
        queued = services.database.run(
            lambda tx: replays.replay(tx, services, chosen, events=events, receiver=receiver)
        )
        if queued:
            trail.changed(chosen, what=f"{queued} deliveries")
        click.echo(f"{queued:,} {'delivery is' if queued == 1 else 'deliveries are'} queued")


def test(*, receiver: int, account: str | None, data: Path | None) -> None:
    with opened(data=data) as services:
        chosen = chosen_account(services, account)
        uid = services.database.run(lambda tx: replays.test(tx, services, chosen, receiver))
        trail.changed(chosen, what=uid)
        click.echo(f"event {uid} is queued for receiver {receiver}")
