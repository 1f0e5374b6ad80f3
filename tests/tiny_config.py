"""Config of tests/tiny.py for runs in a process of their own: `tiny_config.py:METHOD,FOLDER`."""

import pathlib
import sys

sys.path.append(str(pathlib.Path(__file__).parent))

import tiny


def get_config(text):
    method, folder = text.split(",")
    return tiny.config(folder, method, train__epochs=4)
