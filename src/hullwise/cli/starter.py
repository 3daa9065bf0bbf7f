"""The bundled advisories: in use from the first start until real data is loaded."""

from __future__ import annotations

from hullwise.advisories.builder import STARTER, GenerationBuilder
from hullwise.advisories.documents import load_starter
from hullwise.scanning import publication
from hullwise.services import Services
from hullwise.store import generations


def ensure_starter(services: Services) -> None:
    """Publish the bundled records where there is no generation yet, and unless the settings say not to."""
    if not services.settings.starter_advisories:
        return
    with services.database.read() as tx:
        row = generations.get(tx, generations.head_number(tx))
    if row is None:
        publication.publish(services, _fill)


def _fill(builder: GenerationBuilder) -> None:
    # Two processes may start at once on an empty folder: the second finds the records there.
    if not builder.has_source(STARTER):
        load_starter(builder)
