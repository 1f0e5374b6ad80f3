"""Collects one test a parity case, and ends the run with one line of counts."""

from __future__ import annotations

import os
import pathlib

import pytest

from parity import cases

_COUNTS = dict.fromkeys(["passed", "failed", "unsupported", "declined", "skipped"], 0)


def pytest_configure(config):
    # The same network is compiled once, here and in the other worker processes.
    if getattr(config, "cache", None):
        os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(config.cache.mkdir("jax")))


def pytest_generate_tests(metafunc):
    if "case_path" in metafunc.fixturenames:
        paths = sorted(path.parent for path in cases.CASES.glob("*/*/case.json"))
        ids = [f"{path.parent.name}/{path.name}" for path in paths]
        metafunc.parametrize("case_path", paths, ids=ids)


def pytest_collection_modifyitems(config, items):
    """A run of the whole suite leaves out the networks; naming this folder or a case takes all."""
    asked = [pathlib.PurePath(arg.partition("::")[0]).parts for arg in config.args]
    if "SKELJAX_PARITY" in os.environ or config.option.keyword or any("parity" in a for a in asked):
        return
    slow = [item for item in items if _compiles_a_network(item)]
    config.hook.pytest_deselected(items=slow)
    items[:] = [item for item in items if item not in slow]


def _compiles_a_network(item) -> bool:
    path = getattr(item, "callspec", None) and item.callspec.params.get("case_path")
    return bool(path) and cases.kinds_of(path)[0].startswith(("model/", "method/", "end_to_end/"))


def outcome(report) -> str | None:
    """Which count a test report belongs to; None for a phase that decides nothing."""
    if report.failed:
        return "failed"
    if report.skipped:
        reason = report.longrepr[2].removeprefix("Skipped: ")
        if reason == "not yet supported":
            return "unsupported"
        return "declined" if reason.startswith("declined: ") else "skipped"
    return "passed" if report.when == "call" else None


def pytest_terminal_summary(terminalreporter):
    decided = {}  # by test: a failing teardown outweighs the call before it
    for reports in terminalreporter.stats.values():
        for report in reports:
            of_case = "test_parity.py::test_case[" in getattr(report, "nodeid", "")
            if of_case and isinstance(report, pytest.TestReport):
                found = outcome(report)
                if found and decided.get(report.nodeid) != "failed":
                    decided[report.nodeid] = found
    for found in decided.values():
        _COUNTS[found] += 1


def pytest_unconfigure(config):
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and sum(_COUNTS.values()):
        c = _COUNTS
        reporter.write_line(
            f"parity: {c['passed']} passed, {c['failed']} failed, {c['unsupported']} unsupported, "
            f"{c['declined']} declined, {c['skipped']} skipped of {sum(c.values())}"
        )
