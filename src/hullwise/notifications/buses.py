"""Event buses: PutEvents of Amazon EventBridge, built and signed by botocore, sent as everything else is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import httpx
import msgspec
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel
from botocore.serialize import create_serializer

from hullwise.events.outbox import StoredEvent
from hullwise.events.receivers import Receiver
from hullwise.notifications.outcomes import Failed, Outcome, Sending, Sent, Taken, refused
from hullwise.remotes import urls
from hullwise.remotes.remote import Answer

# "Calculating PutEvents event entry size" and the limits of PutEvents in the EventBridge User Guide.
ENTRIES = 10
SIZE_LIMIT = 256 * 1024
"""Bytes of a request's entries, and so of each; less than this is taken."""
_TIME_SIZE = 14

_ANSWER_LIMIT = 65_536
_AMAZON = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")
_ABOUT_AN_ENTRY = frozenset({"ValidationException", "SerializationException"})
"""Codes with which a whole request is refused although one entry may be to blame."""
_CODE = re.compile(r"[A-Za-z]{1,64}")


class _Entry(msgspec.Struct):
    EventId: str | None = None
    ErrorCode: str | None = None


class _Result(msgspec.Struct):
    Entries: list[_Entry]
    FailedEntryCount: int = 0


class _Error(msgspec.Struct):
    type: str = msgspec.field(name="__type")


@cache
def _put_events() -> OperationModel:
    """As botocore ships it, whatever lies in `~/.aws/models`."""
    loader = Loader(extra_search_paths=[Loader.BUILTIN_DATA_PATH], include_default_search_paths=False)
    return ServiceModel(loader.load_service_model("events", "service-2"), "events").operation_model("PutEvents")


def size(entry: dict[str, Any]) -> int:
    """Bytes that an entry counts for."""
    texts = [entry["Source"], entry["DetailType"], entry["Detail"], *entry.get("Resources", ())]
    return _TIME_SIZE + sum(len(text.encode()) for text in texts)


def entry_of(event: StoredEvent, receiver: Receiver) -> dict[str, Any]:
    """The event as an entry of PutEvents. Amazon's own buses take no source that begins with `aws.`: it begins with
    `hullwise.` there."""
    source = event.source
    if source.startswith("aws.") and httpx.URL(receiver.url).host.endswith(_AMAZON):
        source = f"hullwise.{source.removeprefix('aws.')}"
    entry = {
        "Time": event.created_at,
        "Source": source,
        "DetailType": event.kind,
        "Detail": event.body,
        "EventBusName": receiver.bus,
    }
    return entry | ({"Resources": list(event.resources)} if event.resources else {})


def send(sending: Sending, events: Sequence[StoredEvent]) -> Iterator[Sent]:
    """As few requests as the limits allow. Entries that are refused are told by their codes, the others are taken."""
    for batch in _batches(sending.receiver, events):
        yield from _send(sending, batch)


def _batches(receiver: Receiver, events: Sequence[StoredEvent]) -> Iterator[list[StoredEvent]]:
    batch: list[StoredEvent] = []
    held = 0
    for event in events:
        own = size(entry_of(event, receiver))
        if batch and (len(batch) == ENTRIES or held + own >= SIZE_LIMIT):
            yield batch
            batch, held = [], 0
        batch.append(event)
        held += own
    if batch:
        yield batch


def _send(sending: Sending, batch: Sequence[StoredEvent]) -> Iterator[Sent]:
    entries = [entry_of(event, sending.receiver) for event in batch]
    if len(batch) == 1 and (bytes_ := size(entries[0])) >= SIZE_LIMIT:
        why = f"has {bytes_:,} bytes; an event bus takes less than {SIZE_LIMIT:,}"
        yield [(batch[0], Failed(why, final=True))]
        return
    url, body, headers = _request(sending, entries)
    answer = sending.remote.post(url, body, headers, _ANSWER_LIMIT)
    code = _code(answer)
    if len(batch) > 1 and (answer.status == 413 or code in _ABOUT_AN_ENTRY):
        for event in batch:
            yield from _send(sending, [event])
    elif answer.status != 200:
        failed = refused(answer, code)
        # One entry may be to blame where it is alone; everything else is said of the sender or the bus.
        alone = answer.status == 413 or code in _ABOUT_AN_ENTRY
        yield [(event, Failed(failed.why, failed.after, everything=not alone)) for event in batch]
    else:
        yield list(zip(batch, _outcomes(answer, len(batch)), strict=True))


def _request(sending: Sending, entries: Sequence[dict[str, Any]]) -> tuple[str, bytes, dict[str, str]]:
    receiver, model = sending.receiver, _put_events()
    made = create_serializer("json", include_validation=False).serialize_to_request({"Entries": list(entries)}, model)
    url = str(urls.parse(receiver.url))
    request = AWSRequest(made["method"], url, headers=made["headers"], data=made["body"])
    SigV4Auth(Credentials(receiver.key_id, sending.secret), "events", receiver.region).add_auth(request)
    return url, made["body"], dict(request.headers.items())


def _code(answer: Answer) -> str:
    """The code of an error, empty where there is none that is one."""
    if answer.status == 200:
        return ""
    try:
        found = msgspec.json.decode(answer.data, type=_Error).type.rpartition("#")[2]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    return found if _CODE.fullmatch(found) else ""


def _outcomes(answer: Answer, count: int) -> list[Outcome]:
    try:
        result = msgspec.json.decode(answer.data, type=_Result) if answer.whole else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        result = None
    if result is None or len(result.Entries) != count:
        return [Failed("answered 200 and not what PutEvents answers", after=answer.after, everything=True)] * count
    return [_outcome(entry) for entry in result.Entries]


def _outcome(entry: _Entry) -> Outcome:
    if entry.EventId and not entry.ErrorCode:
        return Taken()
    code = entry.ErrorCode or ""
    return Failed(f"refused with {code if _CODE.fullmatch(code) else 'an error'}")
