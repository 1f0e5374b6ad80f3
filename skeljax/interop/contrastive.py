"""Names of pre-trained query encoders in public checkpoints, projection head included."""

from __future__ import annotations

from functools import partial

from skeljax.interop import stgcn


def _encoder(path: str, out: str) -> tuple[str, ...] | None:
    head = {
        "projection/hidden": "fc.0:linear",
        "projection/bn": "fc.1",
        "projection/out": f"{out}:linear",
    }
    return (f"encoder_q.{head[path]}",) if path in head else stgcn.contrastive(path)


skeletonclr = partial(_encoder, out="fc.2")
skelemixclr = partial(_encoder, out="fc.3")  # its head has a batch norm
