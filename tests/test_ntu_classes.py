"""The names of NTU's actions against what others call the same labels."""

import json
import re

import numpy as np
import pytest

from skeljax.readers.ntu_classes import CLASSES

# A label where a family of actions begins or ends, and a word of its published name.
LANDMARKS = {
    1: "drink", 10: "clap", 20: "hat", 30: "keyboard", 40: "cross hands", 49: "fan", 50: "punch",
    58: "shak", 60: "apart", 61: "headphone", 66: "table tennis", 79: "sniff", 84: "cube",
    90: "out of bag", 99: "run", 105: "nose", 106: "hit", 112: "high-five", 120: "scissors",
}  # fmt: skip


def shared_words(ours: str, theirs: str) -> int:
    """Beginnings of our words that are in their name: brush teeth, brushing teeth."""
    return sum(word[:4] in theirs for word in re.findall(r"[a-z]{3,}", ours))


def assert_best_match(label: int, theirs: str) -> None:
    matches = [shared_words(ours, theirs) for ours in CLASSES[:60]]
    assert matches[label] == max(matches) > 0, (CLASSES[label], theirs)


def test_120_different_names_in_published_order():
    assert len(CLASSES) == len(set(CLASSES)) == 120
    for action, word in LANDMARKS.items():
        assert word in CLASSES[action - 1], action


def test_the_real_clips_are_of_the_actions_their_list_says(shared_data):
    listed = (shared_data / "README.md").read_text()
    named = re.findall(r"([a-z][a-z ]+?) A(\d{3})\b", listed)
    assert len(named) == 5
    for theirs, action in named:
        assert_best_match(int(action) - 1, theirs)


def test_a_network_trained_by_others_has_our_labels(shared_data):
    """Its three likeliest classes of five real clips, by their names and by our numbers."""
    folder = shared_data.parent / "parity" / "contrastive" / "actclr_real_clips"
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    clips = json.loads((folder / "case.json").read_text())["provenance"]["clips"]
    logits = np.load(folder / "data.npz")["out/logits"]
    for clip, row in zip(clips, logits, strict=True):
        for label, (theirs, _) in zip(np.argsort(-row), clip["top3"]):
            assert_best_match(label, theirs)
