"""An offline bundle: a generation, or what leads from one to the next, in one signed file.

A whole bundle brings the exporter's file as it is. A delta is applied to the generation that it was made from, by the
same builder that makes generations of documents, and ends in the same digest. What the builder does not take (which
parts of a record were not used, the mark of its document, the sources' dates) is stated in the new file afterwards.

    writing.py  reading.py     a bundle is exported; opened and applied
    manifest.py  delta.py      what it says of itself; what leads from one generation to the next
    members.py  layout.py      the parts of the file; their order, names and limits
    verification.py            a generation that came is the one that was promised
    failures.py  files.py      what may be wrong with it; how a file becomes durable
"""

from __future__ import annotations

from hullwise.advisories.bundle.delta import Change
from hullwise.advisories.bundle.failures import BrokenBundle, WrongBase
from hullwise.advisories.bundle.manifest import Manifest
from hullwise.advisories.bundle.reading import Bundle, is_bundle, open_bundle
from hullwise.advisories.bundle.writing import export_delta, export_whole

__all__ = [
    "BrokenBundle",
    "Bundle",
    "Change",
    "Manifest",
    "WrongBase",
    "export_delta",
    "export_whole",
    "is_bundle",
    "open_bundle",
]
