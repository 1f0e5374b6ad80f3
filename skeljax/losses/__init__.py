"""Losses of a classifier by the name that `config.loss.name` gives; see losses/longtail.py."""

from skeljax.losses.longtail import (
    KPS,
    LDAM,
    ActionAware,
    BalancedSoftmax,
    BinaryCrossEntropy,
    ClassBalanced,
    CrossEntropy,
    Equalization,
    Focal,
    Gumbel,
    InverseFrequency,
    Loss,
)

LOSSES = {
    "ce": CrossEntropy,
    "bce": BinaryCrossEntropy,
    "focal": Focal,
    "inverse_frequency": InverseFrequency,
    "class_balanced": ClassBalanced,
    "action_aware": ActionAware,
    "ldam": LDAM,
    "balanced_softmax": BalancedSoftmax,
    "equalization": Equalization,
    "kps": KPS,
    "gumbel": Gumbel,
}

__all__ = ["LOSSES", "Loss"]
