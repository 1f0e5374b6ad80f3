"""``skeljax VERB ...``: the same as ``python -m`` the verb's module."""

from __future__ import annotations

import importlib
import sys

from skeljax.errors import choose, run_cli

# verb: its module, which has main(argv), and what it does. Modules are imported when called.
VERBS = {
    "prepare": ("skeljax.prepare", "build a dataset from its raw files"),
    "longtail": ("skeljax.longtail", "draw a long-tailed training list"),
    "pack": ("skeljax.pack", "make a dataset of your own clips"),
    "check": ("skeljax.check", "say what is in a dataset or layout, and what is wrong with it"),
    "convert": ("skeljax.convert", "make a run folder of a public PyTorch checkpoint, or back"),
    "draw": ("skeljax.draw", "draw a clip as a picture or an animation"),
    "bench": ("skeljax.bench", "time a config on this machine"),
    "train": ("skeljax.main", "train by a config, or go on with a run that was stopped"),
    "evaluate": ("skeljax.evaluate", "test a saved run"),
    "predict": ("skeljax.predict", "say what is done in new clips"),
    "zoo": ("skeljax.zoo", "list the backbones with their size and cost"),
    "fuse": ("skeljax.fuse", "add the scores of several streams"),
    "report": ("skeljax.report", "write tables and pictures of what a run can and cannot do"),
}


def dispatch(argv: list[str]):
    """Runs the verb ``argv[0]`` with the rest; prints the verbs where there is none.

    Raises:
      ConfigError: no such verb.
    """
    if not argv or argv[0] in ("-h", "--help"):
        print("usage: skeljax VERB ...        (skeljax VERB --help tells more)\n")
        for verb, (_, does) in VERBS.items():
            print(f"  {verb:<10} {does}")
        return 0
    if argv[0] == "--version":
        print(importlib.import_module("skeljax").__version__)
        return 0
    module, _ = VERBS[choose("verb", argv[0], VERBS)]
    return importlib.import_module(module).main(argv[1:])


def main() -> None:
    run_cli(dispatch, sys.argv[1:])


if __name__ == "__main__":
    main()
