"""Why a layer, or an image of several, could not be read.

    ImageTooLarge           its layers together pass one of the ImageLimits
    LayerUnreadable
    ├── TruncatedLayer      it ends in the middle of something
    ├── DamagedLayer        it breaks the rules of its format
    ├── LayerTooLarge       it passes one of the LayerLimits
    └── AnalysisCrashed     the process that read it died

A file inside a layer that cannot be read is none of these: its FileReading says what is wrong with it.
"""

from __future__ import annotations

_TOO_LARGE = {
    "tar_bytes": "unpacks to more than {} bytes",
    "ratio": "unpacks to more than {} times its size",
    "entries": "has more than {} entries",
    "name_bytes": "has a path or link target of more than {} bytes",
    "names_bytes": "has paths and link targets of more than {} characters together",
    "extension_bytes": "has an extended header of more than {} bytes",
    "replaced_directories": "replaces more than {} of its own directories by files",
    "packages": "names more than {} packages",
    "answer_bytes": "has an inventory of more than {} bytes",
    "inventory_bytes": "holds more than fits in {} bytes of memory",
    "cpu_seconds": "takes more than {} seconds of CPU to read",
    "wall_seconds": "takes more than {} seconds to read",
    "memory_bytes": "takes more than {} bytes of memory to read",
}


_IMAGE_TOO_LARGE = {
    "entries": "have more than {} entries together",
    "held_bytes": "hold more than can be merged in {} bytes of memory",
}


class ImageTooLarge(Exception):
    """`limit` is the name of a field of ImageLimits, `value` what it was set to."""

    def __init__(self, limit: str, value: int) -> None:
        super().__init__(limit, value)
        self.limit = limit
        self.value = value

    def __str__(self) -> str:
        return f"the image's layers {_IMAGE_TOO_LARGE[self.limit].format(f'{self.value:,}')}"


class LayerUnreadable(Exception):
    """A layer could not be read; nothing is known of what it holds. `args` are the facts, `str()` is for people."""


class TruncatedLayer(LayerUnreadable):
    def __init__(self, where: str) -> None:
        super().__init__(where)
        self.where = where

    def __str__(self) -> str:
        return f"the layer ends {self.where}"


class DamagedLayer(LayerUnreadable):
    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what

    def __str__(self) -> str:
        return f"the layer is damaged: {self.what}"


class LayerTooLarge(LayerUnreadable):
    """`limit` is the name of a field of LayerLimits, `value` what it was set to."""

    def __init__(self, limit: str, value: float) -> None:
        super().__init__(limit, value)
        self.limit = limit
        self.value = value

    def __str__(self) -> str:
        return f"the layer {_TOO_LARGE[self.limit].format(f'{self.value:,}')}"


class AnalysisCrashed(LayerUnreadable):
    """`status` is the exit status of the process; where a signal ended it, the signal's number below zero."""

    def __init__(self, status: int, last_words: str = "") -> None:
        super().__init__(status, last_words)
        self.status = status
        self.last_words = last_words

    def __str__(self) -> str:
        ended = f"signal {-self.status}" if self.status < 0 else f"exit status {self.status}"
        return f"the process that read the layer died with {ended}" + (
            f": {self.last_words}" if self.last_words else ""
        )
