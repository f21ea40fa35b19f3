"""Signs of life: after two seconds a line on the terminal that shows that the work goes on; nothing when piped."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

DELAY = 2.0  # seconds until something is shown
_TICK = 1.0


@contextmanager
def progress(total: int | None, unit: str = "", doing: str = "") -> Iterator[Any]:
    """Give a bar on stderr, from `DELAY` on and also while nothing is finished; nothing when stderr is no terminal.

    Without a total it is a clock beside what is being done.
    """
    from tqdm import tqdm

    shape = "{desc}: {elapsed}" if total is None else None
    # its own delay waits for the first finished part, which may take minutes
    with tqdm(
        total=total,
        unit=unit,
        desc=doing or None,
        file=sys.stderr,
        disable=None,
        delay=DELAY,
        leave=False,
        bar_format=shape,
    ) as bar:
        over = threading.Event()
        clock = threading.Thread(target=_tick, args=(bar, over), daemon=True)
        if not bar.disable:
            clock.start()
        try:
            yield bar
        finally:
            over.set()
            if clock.is_alive():
                clock.join()


def _tick(bar: Any, over: threading.Event) -> None:
    pause = DELAY
    while not over.wait(pause):
        bar.refresh()
        pause = _TICK
