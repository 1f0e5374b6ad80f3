"""CLIP's text transformer (Radford et al. 2021) and its public weights under both names."""

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
    """What the text transformer returns.

    Attributes:
      projected: (B, E) feature of the text.
      pooled: (B, D) normalised state of the end token, before the projection.
      taps: outputs of the blocks, each (B, L, D).
    """

    projected: jax.Array
    pooled: jax.Array
    taps: tuple[jax.Array, ...]


class Block(nn.Module):
    """x += attention(norm(x)); x += MLP(norm(x)), with the quick GELU h * sigmoid(1.702 h)."""

    heads: int
    mlp_width: int

    @nn.compact
    def __call__(self, x: jax.Array, bias: jax.Array) -> jax.Array:
        """(B, L, D) -> (B, L, D)."""
        x += Attention(self.heads, name="attention")(_norm("norm1")(x), bias)
        h = nn.Dense(self.mlp_width, name="fc1")(_norm("norm2")(x))
        return x + nn.Dense(x.shape[-1], name="fc2")(h * jax.nn.sigmoid(1.702 * h))


class ClipText(nn.Module):
    """Text tower of CLIP.

    A causal mask and the state of the first end token (the largest id): what follows it is never
    seen, so that texts need no mask of their own and may be cut behind their end.

    Attributes:
      width: D.
      layers: blocks.
      heads: of the attention; D / 64 in the published models.
      mlp_width: hidden width of the MLPs.
      out_dim: E.
      vocab_size: token ids.
      context: positions.
    """

    width: int
    layers: int
    heads: int
    mlp_width: int
    out_dim: int
    vocab_size: int
    context: int

    @nn.compact
    def __call__(self, ids: jax.Array) -> Encoded:
        """(B, L) int -> Encoded; L at most `context`."""
        length = ids.shape[1]
        normal = nn.initializers.normal
        words = self.param("words", normal(0.02), (self.vocab_size, self.width))
        positions = self.param("positions", normal(0.01), (self.context, self.width))
        x = words[ids] + positions[:length]
        bias = VERY_NEGATIVE * (1 - jnp.tril(jnp.ones((length, length), x.dtype)))
        taps = []
        for i in range(self.layers):
            x = Block(self.heads, self.mlp_width, name=f"block{i}")(x, bias)
            taps.append(x)
        end = jnp.take_along_axis(x, ids.argmax(-1)[:, None, None], 1)[:, 0]
        pooled = _norm("norm")(end)
        projection = self.param("projection", normal(self.width**-0.5), (self.width, self.out_dim))
        return Encoded(pooled @ projection, pooled, tuple(taps))


def _norm(name):
    return nn.LayerNorm(epsilon=1e-5, name=name)


def from_tensors(tensors: Mapping, heads: int | None = None) -> tuple[ClipText, dict]:
    """Network and parameters of a public checkpoint, sizes by its shapes.

    Takes OpenAI's names (``transformer.resblocks``, the projection as it is) and Hugging Face's
    (``text_model``, the projection transposed); image towers are left alone. Differentiable with
    respect to the tensors.

    Args:
      heads: of the attention, where not width / 64.

    Raises:
      CheckpointError: neither of the two, or a tensor is missing.
    """
    if "token_embedding.weight" in tensors:
        params = _openai(tensors)
    elif "text_model.embeddings.token_embedding.weight" in tensors:
        params = _hugging_face(tensors)
    else:
        raise CheckpointError(
            "these are no weights of a CLIP text encoder",
            found=", ".join(sorted(tensors)[:3]) + " ...",
            expected="token_embedding.weight (OpenAI) or text_model.* (Hugging Face)",
        )
    vocab_size, width = params["words"].shape
    net = ClipText(
        width=width,
        layers=sum(name.startswith("block") for name in params),
        heads=heads or max(width // 64, 1),
        mlp_width=params["block0"]["fc1"]["kernel"].shape[1],
        out_dim=params["projection"].shape[1],
        vocab_size=vocab_size,
        context=params["positions"].shape[0],
    )
    return net, {"params": params}


def _openai(t):
    params = {
        "words": take(t, "token_embedding.weight"),
        "positions": take(t, "positional_embedding"),
        "norm": norm(t, "ln_final"),
        "projection": take(t, "text_projection"),
    }
    for i in _layers(t, r"transformer\.resblocks\.(\d+)\."):
        block = f"transformer.resblocks.{i}"
        # methods of the arrays: jnp would trace them where a method's own init is being traced
        weights = take(t, f"{block}.attn.in_proj_weight")
        weights = weights.reshape(3, -1, weights.shape[1])
        biases = take(t, f"{block}.attn.in_proj_bias").reshape(3, -1)
        qkv = zip("qkv", weights, biases)
        params[f"block{i}"] = {
            "norm1": norm(t, f"{block}.ln_1"),
            "norm2": norm(t, f"{block}.ln_2"),
            "attention": {
                **{name: {"kernel": w.T, "bias": b} for name, w, b in qkv},
                "out": dense(t, f"{block}.attn.out_proj"),
            },
            "fc1": dense(t, f"{block}.mlp.c_fc"),
            "fc2": dense(t, f"{block}.mlp.c_proj"),
        }
    return params


def _hugging_face(t):
    params = {
        "words": take(t, "text_model.embeddings.token_embedding.weight"),
        "positions": take(t, "text_model.embeddings.position_embedding.weight"),
        "norm": norm(t, "text_model.final_layer_norm"),
        "projection": take(t, "text_projection.weight").T,
    }
    for i in _layers(t, r"text_model\.encoder\.layers\.(\d+)\."):
        block = f"text_model.encoder.layers.{i}"
        names = {"q": "q_proj", "k": "k_proj", "v": "v_proj", "out": "out_proj"}
        params[f"block{i}"] = {
            "norm1": norm(t, f"{block}.layer_norm1"),
            "norm2": norm(t, f"{block}.layer_norm2"),
            "attention": {n: dense(t, f"{block}.self_attn.{of}") for n, of in names.items()},
            "fc1": dense(t, f"{block}.mlp.fc1"),
            "fc2": dense(t, f"{block}.mlp.fc2"),
        }
    return params


def _layers(tensors, pattern):
    found = (re.match(pattern, name) for name in tensors)
    return sorted({int(match[1]) for match in found if match})
