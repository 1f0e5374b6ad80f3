"""What goes wrong in a user's file, config or checkpoint: one message, never a traceback."""

from __future__ import annotations

import difflib
import errno
import os
import sys
from collections.abc import Callable, Iterable


class SkeljaxError(Exception):
    """A fault the user can mend: names the place, what was found, what was expected, what to do.

    Args:
      what: one sentence, what is wrong.
      where: file (and line), config field or checkpoint item.
      found: what is there.
      expected: what should be there.
      do: what to do about it, a command where there is one.
    """

    def __init__(self, what: str, *, where=None, found=None, expected=None, do=None):
        self.what, self.where, self.found, self.expected, self.do = what, where, found, expected, do
        lines = [what]
        for label, value in (("in", where), ("found", found), ("expected", expected), ("do", do)):
            if value is not None:
                lines.append(f"  {label + ':':<10}{value}")
        super().__init__("\n".join(lines))


class DataError(SkeljaxError):
    """A raw file, dataset or split is not what it should be."""


class ConfigError(SkeljaxError):
    """A config field, option or layout is misspelt or does not fit the data."""


class CheckpointError(SkeljaxError):
    """A checkpoint or run folder cannot be read, written or fitted to the model."""


def choose(kind: str, name: str, options: Iterable[str], where: str | None = None) -> str:
    """`name` if it is one of `options`; else a ConfigError that suggests the nearest one."""
    options = sorted(options)
    if name in options:
        return name
    near = difflib.get_close_matches(str(name), options, n=1, cutoff=0.5)
    raise ConfigError(
        f"unknown {kind} {name!r}" + (f": did you mean {near[0]!r}?" if near else ""),
        where=where,
        expected="one of " + ", ".join(options),
    )


def check_number(where: str, found, good: bool, expected: str) -> None:
    """Raises a ConfigError about a number of a config that is not `good`."""
    if not good:
        raise ConfigError("the number cannot be", where=where, found=found, expected=expected)


def positive(text: str) -> int:
    """An option that is a number from 1 on, for argparse."""
    if int(text) < 1:
        raise ValueError
    return int(text)


def run_cli(main: Callable[..., object], *args) -> None:
    """Runs a verb. A SkeljaxError or a full disk is one message and exits 2, Ctrl-C exits 130."""
    try:
        status = main(*args)
    except SkeljaxError as error:
        print(f"error: {error}", file=sys.stderr)
        status = 2
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        status = 130
    except BrokenPipeError:  # the reader of our output (head, less) went away
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        where = error.filename or "a file"
        print(f"error: cannot write {where}: {error.strerror}", file=sys.stderr)
        status = 2
    sys.exit(status or 0)
