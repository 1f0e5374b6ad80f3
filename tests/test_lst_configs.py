"""The configs of LST: every word after the colon, and the streams they fuse."""

import pytest

from skeljax import papers
from skeljax.errors import ConfigError
from skeljax.fuse import PRESETS
from test_longtail_configs import built, config

LAYOUTS = {"ntu60_lst": "ntu25", "ntu120_lst": "ntu25", "nwucla_lst": "ucla20"}
each_config = pytest.mark.parametrize("name", LAYOUTS)


@each_config
@pytest.mark.parametrize("slips", papers.LST["slips"])
def test_every_word_makes_a_job(name, slips):
    for group, words in papers.LST.items():
        for word in words:
            if group == "slips" or (word, slips) == ("row", "public_code"):
                continue
            made = config(name, f"{slips},{word}")
            assert built(made, LAYOUTS[name]).method.terms == made.method.terms, word


@each_config
def test_a_row_is_fused_as_published(name):
    for k in (1, 3):
        row = config(name, f"row,k{k}").row
        of = papers.lst_streams(f"k{k}")
        assert row.streams == ("joint", f"infogcn{k}", "joint_motion", f"infogcn{k}_motion")
        assert row.rule == "logits"
        for fusion, preset in (("four", "lst-4"), ("three", "lst-3")):
            weights = {of[stream]: weight for stream, weight in PRESETS[preset].weights.items()}
            assert row.fusions[fusion].to_dict() == weights
    with pytest.raises(ConfigError, match="other body parts for bones"):
        config(name, "row,public_code")


def test_k_and_parts():
    assert config("ntu60_lst", "bone").stream == "infogcn1"
    assert config("ntu60_lst", "bone_motion,k2").stream == "infogcn2_motion"
    assert config("nwucla_lst", "bone,k2,public_code").stream == "lst2"
    assert config("nwucla_lst", "joint_motion,k2,public_code").stream == "lst6_motion"
    for words, by_bone in (
        ("bone", False), ("bone,parts_by_bone", True), ("bone,public_code", True),
        ("joint,public_code", False), ("joint,public_code,parts_by_bone", True),
    ):  # fmt: skip
        assert config("ntu120_lst", words).method.bone_parts == by_bone
