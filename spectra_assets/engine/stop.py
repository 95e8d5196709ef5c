"""SIGINT and SIGTERM: that one came is known here, whoever handled it meanwhile.

Dagster takes the handlers while a run is under way and may drop what came: the run is over then, and what follows it would go on.
"""

from __future__ import annotations

import os
import signal

_SIGNALS = frozenset((signal.SIGINT, signal.SIGTERM))

_read_end: int | None = None
_asked = False


def watch() -> None:
    """Begin to watch, in the main thread of a process.

    Who started it may have it ignore SIGINT, as a shell does in the background; SIGTERM ends it all the same.
    """
    global _read_end
    _read_end, write_end = os.pipe()
    for end in (_read_end, write_end):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def check() -> None:
    """Raises KeyboardInterrupt if the process was asked to stop since `watch`."""
    global _asked
    if _read_end is not None and not _asked:
        try:
            _asked = bool(_SIGNALS & set(os.read(_read_end, 4096)))
        except BlockingIOError:
            return
    if _asked:
        raise KeyboardInterrupt
