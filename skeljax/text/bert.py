"""BERT as a sentence encoder (MiniLM and its kin): mean over the tokens, divided by its norm."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from skeljax.errors import CheckpointError
from skeljax.text.transformer import VERY_NEGATIVE, Attention
from skeljax.text.weights import dense, norm, take


class Encoded(NamedTuple):
    """What the encoder returns.

    Attributes:
      sentence: (B, D), of length 1.
      mean: (B, D) before the division by the norm.
      hidden: (B, L, D) last states of all tokens.
    """

    sentence: jax.Array
    mean: jax.Array
    hidden: jax.Array


class Layer(nn.Module):
    """x = norm(x + attention(x)); x = norm(x + MLP(x)), with the exact GELU."""

    heads: int
    mlp_width: int
    epsilon: float

    @nn.compact
    def __call__(self, x: jax.Array, bias: jax.Array) -> jax.Array:
        """(B, L, D) -> (B, L, D)."""
        x += Attention(self.heads, name="attention")(x, bias)
        x = nn.LayerNorm(self.epsilon, name="norm1")(x)
        h = nn.gelu(nn.Dense(self.mlp_width, name="fc1")(x), approximate=False)
        x += nn.Dense(x.shape[-1], name="fc2")(h)
        return nn.LayerNorm(self.epsilon, name="norm2")(x)


class Bert(nn.Module):
    """BERT encoder with mean pooling (Devlin et al. 2019; Reimers and Gurevych 2019).

    Attributes:
      width: D.
      layers: blocks.
      heads: of the attention.
      mlp_width: hidden width of the MLPs.
      vocab_size: token ids.
      context: positions.
      epsilon: of the layer norms.
    """

    width: int
    layers: int
    heads: int
    mlp_width: int
    vocab_size: int
    context: int
    epsilon: float = 1e-12

    @nn.compact
    def __call__(self, ids: jax.Array, mask: jax.Array) -> Encoded:
        """(B, L) ids and mask, 1 where there is a token -> Encoded."""
        init = nn.initializers.normal(0.02)
        words = self.param("words", init, (self.vocab_size, self.width))
        positions = self.param("positions", init, (self.context, self.width))
        types = self.param("types", init, (2, self.width))
        x = words[ids] + positions[: ids.shape[1]] + types[0]
        x = nn.LayerNorm(self.epsilon, name="norm")(x)
        mask = mask.astype(x.dtype)
        bias = VERY_NEGATIVE * (1 - mask)[:, None, None, :]
        for i in range(self.layers):
            x = Layer(self.heads, self.mlp_width, self.epsilon, name=f"layer{i}")(x, bias)
        mean = jnp.einsum("bld,bl->bd", x, mask) / mask.sum(1, keepdims=True)
        norm = jnp.linalg.norm(mean, axis=-1, keepdims=True)
        return Encoded(mean / jnp.maximum(norm, 1e-12), mean, x)


def from_tensors(tensors: Mapping, heads: int, epsilon: float = 1e-12) -> tuple[Bert, dict]:
    """Network and parameters of a public checkpoint (Hugging Face's names), sizes by its shapes.

    Raises:
      CheckpointError: no BERT, or a tensor is missing.
    """
    t = {name.removeprefix("bert."): value for name, value in tensors.items()}
    if "embeddings.word_embeddings.weight" not in t:
        raise CheckpointError(
            "these are no weights of a BERT encoder",
            found=", ".join(sorted(t)[:3]) + " ...",
            expected="embeddings.word_embeddings.weight and encoder.layer.*",
        )
    params = {
        "words": take(t, "embeddings.word_embeddings.weight"),
        "positions": take(t, "embeddings.position_embeddings.weight"),
        "types": take(t, "embeddings.token_type_embeddings.weight"),
        "norm": norm(t, "embeddings.LayerNorm"),
    }
    found = (re.match(r"encoder\.layer\.(\d+)\.", name) for name in t)
    numbers = sorted({int(match[1]) for match in found if match})
    for i in numbers:
        layer = f"encoder.layer.{i}"
        names = {"q": "self.query", "k": "self.key", "v": "self.value", "out": "output.dense"}
        params[f"layer{i}"] = {
            "attention": {n: dense(t, f"{layer}.attention.{of}") for n, of in names.items()},
            "norm1": norm(t, f"{layer}.attention.output.LayerNorm"),
            "fc1": dense(t, f"{layer}.intermediate.dense"),
            "fc2": dense(t, f"{layer}.output.dense"),
            "norm2": norm(t, f"{layer}.output.LayerNorm"),
        }
    vocab_size, width = params["words"].shape
    net = Bert(
        width=width,
        layers=len(numbers),
        heads=heads,
        mlp_width=params["layer0"]["fc1"]["kernel"].shape[1],
        vocab_size=vocab_size,
        context=params["positions"].shape[0],
        epsilon=epsilon,
    )
    return net, {"params": params}
