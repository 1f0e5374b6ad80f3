"""Config of tests/tiny.py for runs in a process of their own: `tiny_config.py:METHOD,FOLDER`."""

import pathlib
import sys

sys.path.append(str(pathlib.Path(__file__).parent))

import tiny


def get_config(text):
    method, folder = text.split(",")
    made = tiny.config(folder, method, train__epochs=4)
    if method not in {"supervised", *tiny.CONTRASTIVE}:
        tiny.small(made)
    if method not in tiny.TESTED:
        made.train.validate_every, made.train.test_last = 0, False
    return made
