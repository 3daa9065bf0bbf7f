"""The bundled advisories: in use from the first start until real data is loaded."""

from __future__ import annotations

from hullwise.advisories.builder import STARTER, GenerationBuilder
from hullwise.advisories.documents import load_starter
from hullwise.scanning import publication
from hullwise.services import Services


def ensure_starter(services: Services) -> None:
    """Publish the bundled records where there is no generation that this version can read, unless the settings say not
    to; and one that other rules made anew under these."""
    publication.bring_up_to_date(services, _fill if services.settings.starter_advisories else None)


def _fill(builder: GenerationBuilder) -> None:
    # Two processes may start at once on an empty folder: the second finds the records there.
    if not builder.has_source(STARTER):
        load_starter(builder)
