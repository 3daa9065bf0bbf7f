"""Files in the folder of advisories that a server leaves for the command line, which opens no database."""

from __future__ import annotations

HEAD_NOTE = "head.json"
"""Says in `path` which file is the head's."""
LIFECYCLES_NOTE = "lifecycles.json"
"""Says, as JSON of an `Enrichment`, how long distributions are supported."""
