"""One test a parity case: the numbers of the public implementations, reproduced.

``pytest tests/parity`` runs all, ``-k frhead/ucla`` those of a name, plain ``pytest`` those that
compile no network. ``$SKELJAX_PARITY`` is the folder of the cases, ``$SKELJAX_DATA`` and
``$SKELJAX_WEIGHTS`` hold the files they name.
"""

import pytest

from parity import cases
from parity.kinds import DECLINED, KINDS

if not cases.CASES.is_dir():
    pytest.skip(f"no parity cases in {cases.CASES}", allow_module_level=True)


def test_case(case_path):
    kinds = cases.kinds_of(case_path)
    for kind in kinds:
        if kind in DECLINED:
            pytest.skip(f"declined: {DECLINED[kind]}")
    if not set(kinds) <= set(KINDS):
        pytest.skip("not yet supported")
    try:
        problems = cases.load(case_path).run(KINDS)
    except cases.Absent as error:
        pytest.skip(f"absent: {error}")
    assert not problems, "\n" + "\n".join(problems[:20])
