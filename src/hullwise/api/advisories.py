"""Which advisory data is in use."""

from __future__ import annotations

from typing import Any

from hullwise.api.calls import Call
from hullwise.store import enrichment, feeds, generations, publications


def status(call: Call) -> dict[str, Any]:
    """The head's generation with its sources, the feeds, what is joined on reading, and a publication on its way."""
    with call.services.database.read() as tx:
        row = generations.get(tx, generations.head_number(tx))
        states = feeds.states(tx)
        dates = enrichment.dates(tx)
        current = publications.unfinished(tx)
    return {
        "generation": None
        if row is None
        else {
            "number": row.number,
            "digest": row.digest,
            "records": row.records,
            "dataAsOf": row.data_as_of and row.data_as_of.isoformat(),
            "publishedAt": row.published_at.isoformat(),
            "sources": list(row.sources),
        },
        "feeds": [
            {
                "name": state.name,
                "succeededAt": state.succeeded_at and state.succeeded_at.isoformat(),
                "failedAt": state.failed_at and state.failed_at.isoformat(),
                "failure": state.failure,
            }
            for state in states.values()
        ],
        "enrichment": dates,
        "publication": current
        and {
            "generation": current.generation.number,
            "state": current.state,
            "names": current.names,
            "namesDone": current.names_done,
            "inventories": current.inventories,
            "inventoriesDone": current.inventories_done,
        },
    }
