"""One line on stderr that says how far a long loop is, how fast it goes and when it ends."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator


def progress(items: Iterable, what: str, total: int | None = None) -> Iterator:
    """Yields `items`; writes ``what 512/1,484, 900/s, 1 s left`` as it goes.

    On a terminal the line is rewritten in place; into a file it is written every 10 s and at the
    end.

    Args:
      total: number of items; ``len(items)`` by default, 0 where nobody knows.
    """
    total = len(items) if total is None else total
    live = sys.stderr.isatty()
    start = last = time.monotonic()
    for done, item in enumerate(items, 1):
        yield item
        now = time.monotonic()
        if done == total or now - last > (0.2 if live else 10):
            last = now
            rate = done / max(now - start, 1e-6)
            left = f", {(total - done) / rate:.0f} s left" if done < total else ""
            line = f"{what} {done:,}" + f"/{total:,}" * bool(total) + f", {rate:,.0f}/s{left}"
            end = "" if live and done != total else "\n"
            print(f"\r{line:<70}" if live else line, end=end, file=sys.stderr, flush=True)
