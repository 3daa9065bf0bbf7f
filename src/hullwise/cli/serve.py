"""hullwise serve: the API and the workers, each a process, started again when one dies.

supervisor ─┬─ API process …   on the supervisor's socket: who connects while one starts again waits
            └─ worker …
"""

from __future__ import annotations

import errno
import http.client
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import FrameType

import click
import structlog

from hullwise.auth import keys
from hullwise.auth.keys import KeyPair
from hullwise.cli import trail
from hullwise.cli.advisories import describe
from hullwise.cli.failures import Failure
from hullwise.cli.opening import built, command_line, default_account, export_lines, local_host, settled, url_of
from hullwise.cli.running import Note
from hullwise.cli.starter import ensure_starter
from hullwise.confinement import die_with_parent
from hullwise.services import Services
from hullwise.settings import Settings, unknown
from hullwise.store import accounts, generations

log = structlog.get_logger()

START_SECONDS = 60.0
STOP_SECONDS = 20.0
_STEADY_SECONDS = 3.0
"""A process that lived this long is started again at once; one that did not, after a pause that doubles."""
_LONGEST_PAUSE = 30.0
_BACKLOG = 1_024
"""Connections that wait to be taken."""
_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def run(*, host: str | None, port: int | None, tls_cert: str | None, tls_key: str | None, data: Path | None) -> None:
    """Serve until SIGTERM or SIGINT; one that comes before it can serve ends it with 128 and the signal's number.
    SIGHUP has certificate and key read again, for the connections that come; where there is none, it ends it too.
    Raises Failure where it cannot begin."""
    from hullwise import app
    from hullwise.jobs import durable

    for number in _ENDING:
        signal.signal(number, _leave)
    with ExitStack() as stack:
        settings = stack.enter_context(settled(host=host, port=port, tls_cert=tls_cert, tls_key=tls_key, data=data))
        if settings.tls_cert:
            check_certificate(settings.tls_cert, settings.tls_key)
        services = stack.enter_context(built(app.checked(settings), beginning=True))
        listening = stack.enter_context(_listening(services.settings))
        settings = replace(settings, port=listening.getsockname()[1])
        app.configure_logs(settings)
        durable.prepare(services.database, settings.locks)
        ensure_starter(services)
        url = url_of(settings)
        note = Note(settings, url)
        supervisor = Supervisor(
            _programs(settings, listening), settings.environment(), certified=bool(settings.tls_cert)
        )
        # Before the first child is there: a signal that came earlier would leave it behind.
        supervisor.listen()
        try:
            supervisor.start()
            if not supervisor.wait_until(lambda: _healthy(settings)):
                if supervisor.stopped_by:
                    _leave(supervisor.stopped_by, None)
                raise Failure("the server did not become ready; its messages are above")
            note.claim()
            _greet(services, settings, url)
            supervisor.watch(note.claim, partial(_renewed, settings))
        finally:
            note.withdraw()
            supervisor.stop()


def _leave(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def check_certificate(certificate: str, key: str) -> None:
    """Raises Failure, and OSError with the file's name, where no server could begin with these files."""
    for file in (certificate, key):
        Path(file).open("rb").close()

    def no_password() -> str:
        raise Failure(f"{key} is encrypted: tls_key must need no password")

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_verify_locations(cafile=certificate)
    except ssl.SSLError as error:
        raise Failure(f"{certificate} holds no certificate in PEM form") from error
    try:
        context.load_cert_chain(certificate, key, no_password)
    except ssl.SSLError as error:
        reason = error.reason or ""
        if reason.endswith("MISMATCH"):
            raise Failure(f"{key} is not the private key of the certificate in {certificate}") from error
        if reason.endswith(("TOO_SMALL", "TOO_WEAK")):
            raise Failure(f"{certificate}: {reason.lower().replace('_', ' ')}") from error
        raise Failure(f"{key} holds no private key in PEM form") from error


def _renewed(settings: Settings) -> bool:
    """Whether there is a certificate, and the API processes can go on with what its files hold. Says why not."""
    try:
        check_certificate(settings.tls_cert, settings.tls_key)
    except (Failure, OSError) as error:
        log.error("the certificate could not be read again; the one before stays in use", why=str(error))
        return False
    log.info("the certificate is read again")
    return True


def _listening(settings: Settings) -> socket.socket:
    """What the API processes take connections from. Raises Failure where the address cannot be had."""
    listening = socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((settings.host, settings.port))
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        why = f"cannot listen on {settings.host}:{settings.port}: {error.strerror}"
        hint = "; --port or HULLWISE_PORT takes another" if error.errno == errno.EADDRINUSE else ""
        raise Failure(why + hint) from error
    return listening


def _programs(settings: Settings, listening: socket.socket) -> list[Program]:
    descriptor = listening.fileno()
    api = Program("server", (sys.executable, "-m", "hullwise.server", str(descriptor)), (descriptor,), renewable=True)
    worker = Program("worker", (sys.executable, "-m", "hullwise", "worker"))
    return [api] * settings.api_processes + [worker] * settings.worker_processes


def _healthy(settings: Settings) -> bool:
    host = local_host(settings)
    if settings.tls_cert:
        # Its own server on its own machine: known by its certificate, whatever name that has.
        trusting = ssl.create_default_context(cafile=settings.tls_cert)
        trusting.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        trusting.check_hostname = False
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            host, settings.port, timeout=2, context=trusting
        )
    else:
        connection = http.client.HTTPConnection(host, settings.port, timeout=2)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _greet(services: Services, settings: Settings, url: str) -> None:
    """Say where it answers, with which data, and on the first start with which keys."""
    with services.database.read() as tx:
        row = generations.get(tx, generations.head_number(tx))
    click.echo(f"Hullwise answers at {url}, data in {settings.data}")
    if row is not None:
        click.echo(describe(row))
        if [source["name"] for source in row.sources] == ["starter"]:
            click.echo("  This is the small bundled set. Load real data from the feeds, or from files:")
            click.echo(f"    {command_line(settings, 'advisories sync')}")
            click.echo(f"    {command_line(settings, 'advisories import PATH…')}")
    pair = _first_key(services)
    if pair is not None:
        click.echo("\nYour key pair; its secret is not shown again:\n")
        click.echo("\n".join(f"    {line}" for line in export_lines(services, pair)))
    click.echo("\nAnother key pair:\n")
    click.echo(f"    {command_line(settings, 'keys create --format env')}")
    click.echo("\nLog in with docker, podman or skopeo:\n")
    host = url.partition("://")[2]
    click.echo(f"    aws ecr get-login-password | docker login --username AWS --password-stdin {host}\n")


def _first_key(services: Services) -> KeyPair | None:
    """A key pair where there is none yet; it is made last, so that it is never made without being shown."""
    with services.database.read() as tx:
        if accounts.list_keys(tx):
            return None
    account = default_account(services)
    with services.database.write() as tx:
        pair = keys.create(tx, services, account)
    trail.changed(account, what=pair.access_key_id)
    return pair


def _known(environment: Mapping[str, str]) -> dict[str, str]:
    """Without what looks like a setting and is none: of that its children need not warn again."""
    strange = unknown(environment)
    return {name: value for name, value in environment.items() if name not in strange}


@dataclass(frozen=True, slots=True)
class Program:
    name: str
    command: tuple[str, ...]
    descriptors: tuple[int, ...] = ()
    """Of this process's, that it has too."""
    renewable: bool = False
    """Whether SIGHUP has it read the certificate again."""


@dataclass(slots=True)
class _Child:
    program: Program
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    pause: float = 0.5
    due: float = 0.0
    """When it is started again, on the monotonic clock."""


@dataclass(slots=True)
class Supervisor:
    """Keeps programs running: one process each, until `stop`."""

    programs: Sequence[Program]
    settings: dict[str, str]
    certified: bool = False
    """Whether there is a certificate that SIGHUP has read again; else that tells it to stop."""
    stopped_by: int = 0
    """The signal that told it to stop."""
    hung_up: bool = False
    """Whether SIGHUP came since the certificate was read."""
    children: list[_Child] = field(default_factory=list)

    def listen(self) -> None:
        """From now on signals end `watch`, or have it renew the certificate."""
        for number in _ENDING:
            signal.signal(number, self._note)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGHUP and self.certified:
            self.hung_up = True
        else:
            self.stopped_by = number

    def start(self) -> None:
        self.children = [_Child(program) for program in self.programs]
        for child in self.children:
            self._spawn(child)

    def _spawn(self, child: _Child) -> None:
        import os

        child.started = time.monotonic()
        child.process = subprocess.Popen(
            child.program.command,
            pass_fds=child.program.descriptors,
            env={**_known(os.environ), **self.settings},
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # an interrupt at the terminal is for the supervisor, which then ends them in order
            preexec_fn=partial(die_with_parent, signal.SIGTERM),  # noqa: PLW1509 - the supervisor has one thread
        )

    def wait_until(self, ready: object) -> bool:
        """Whether `ready()` became true before START_SECONDS were over; also False where it was told to stop."""
        assert callable(ready)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and not self.stopped_by:
            if ready():
                return True
            self._revive()
            time.sleep(0.05)
        return False

    def watch(self, meanwhile: Callable[[], None], renewed: Callable[[], bool]) -> None:
        """Return when told to stop; until then start again what ends, and call `meanwhile` again and again. After
        SIGHUP, where `renewed` says that the certificate can be used, the API processes read it again."""
        while not self.stopped_by:
            self._revive()
            if self.hung_up:
                self.hung_up = False
                self._renew(renewed)
            meanwhile()
            time.sleep(0.1)

    def _renew(self, renewed: Callable[[], bool]) -> None:
        if renewed():
            for child in self.children:
                if child.program.renewable and child.process is not None:
                    # One that has only begun dies of it, and its next one begins with the new certificate.
                    child.process.send_signal(signal.SIGHUP)

    def _revive(self) -> None:
        now = time.monotonic()
        for child in self.children:
            if child.process is not None and child.process.poll() is not None:
                status = child.process.returncode
                steady = now - child.started > _STEADY_SECONDS
                child.pause = 0.5 if steady else min(child.pause * 2, _LONGEST_PAUSE)
                child.due, child.process = now + (0.0 if steady else child.pause), None
                log.error("process ended; starting it again", process=child.program.name, status=status)
            if child.process is None and now >= child.due:
                self._spawn(child)

    def stop(self) -> None:
        """End every process: asked first, then made to."""
        running = [child.process for child in self.children if child.process is not None]
        for process in running:
            process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for process in running:
            try:
                process.wait(max(deadline - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
