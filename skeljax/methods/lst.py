"""LST: language-supervised training (Xiang et al., "Generative Action Description Prompts for
Skeleton-based Action Recognition", ICCV 2023)."""

from __future__ import annotations

import dataclasses
import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from skeljax.errors import ConfigError, choose
from skeljax.layouts import Layout
from skeljax.losses.language import contrast, unit
from skeljax.methods.supervised import Supervised
from skeljax.models import Features
from skeljax.models.layers import at_least_float32, kaiming_out, torch_uniform
from skeljax.text import actions
from skeljax.text.encoders import cached_features, fingerprint, make_encoder

PARTS = ("head", "hand", "hip", "foot")
TERMS = {"all": (0, 1, 2, 3, 4), "global": (0,), "parts": (1, 2, 3, 4)}
FIRST_SCALE, LARGEST_SCALE = float(np.log(1 / 0.07)), float(np.log(100))  # CLIP's


class TextHeads(nn.Module):
    """Linear maps of the whole body's feature and of four body parts' into the text's space.

    Attributes:
      parts: joints of head, hand, hip and foot.
      width: of the text features.
      part_width: of the parts' where it differs; 0 = `width`.
    """

    parts: tuple[tuple[int, ...], ...]
    width: int
    part_width: int = 0

    @nn.compact
    def __call__(self, features: Features) -> tuple[jax.Array, ...]:
        """Features -> five (N, width): whole body, head, hand, hip, foot; not normalised."""
        joints = at_least_float32(features.map).mean((1, 2))  # (N, V, D)
        init = {"kernel_init": kaiming_out(self.width)}
        found = [nn.Dense(self.width, name="whole", **init)(features.pooled)]
        default = torch_uniform(joints.shape[-1])
        for name, part in zip(PARTS, self.parts):
            head = nn.Dense(
                self.part_width or self.width, kernel_init=default, bias_init=default, name=name
            )
            found.append(head(joints[:, np.asarray(part)].mean(1)))
        return tuple(found)


@dataclasses.dataclass(frozen=True)
class Lst(Supervised):
    """A loss of logits, and five contrastive terms between skeleton and text.

    The whole body is compared with a name of its class, four body parts with what an action's
    description says of them. Prediction needs the linear head alone: text and projections cost
    nothing there. A frozen encoder runs once, before the first step; then text is a gather.

    Attributes:
      descriptions: a name of skeljax/text/descriptions, a .toml, or LST's `parts.txt,synonyms.txt`;
        empty = the shipped ones that have all classes.
      encoder: of the text: embedded, bert, clip, table or hash.
      weights: file or folder of the encoder's weights, or the table.
      vocabulary: CLIP's merges, where they do not lie beside the weights.
      train_text: whether the text encoder is trained too (group ``text``), as the published code
        does; its rate is optim.groups.text.lr_ratio times the network's.
      alpha: weight of the mean of the text terms.
      terms: all, global (whole body only) or parts.
      global_text: what the whole body is compared with: synonym (one of the class's names, drawn
        anew every time), name or sentence.
      shuffle_text: give every class another's text; a control.
      raw_scale: slip of the published code: the learnable logarithm of the cosines' scale is used
        without its exponential, 2.66 instead of 14.3 at the start.
      bone_parts: slip of the published code for bone streams: parts by position in the list of
        bones, not by joint.
      fused_names: slip of the published code: no comma between the name and the hand's text.
      label_smoothing, head_std: as of plain supervised training, which this is a kind of.
    """

    descriptions: str = ""
    encoder: str = "embedded"
    weights: str = ""
    vocabulary: str = ""
    train_text: bool = False
    alpha: float = 0.8
    terms: str = "all"
    global_text: str = "synonym"
    shuffle_text: bool = False
    raw_scale: bool = False
    bone_parts: bool = False
    fused_names: bool = False

    def __post_init__(self):
        super().__post_init__()
        choose("terms", self.terms, TERMS, where="method.terms")
        part_joints(self.facts.layout, self.bone_parts)

    def text_heads(self, width: int, part_width: int = 0) -> TextHeads:
        return TextHeads(part_joints(self.facts.layout, self.bone_parts), width, part_width)

    # ------------------------------------------------------------------------------- the texts

    @functools.cached_property
    def texts(self) -> tuple[list[str], dict[str, np.ndarray]]:
        """All strings, and where each class's are among them.

        ``first`` and ``count`` (K,) are the texts of the whole body, ``part`` (4, K) the parts'.
        """
        told = list(actions.for_classes(self.descriptions, self.facts.classes))
        if self.shuffle_text:
            told = told[len(told) // 2 :] + told[: len(told) // 2]
        whole = [action.whole(self.global_text) for action in told]
        count = np.array([len(names) for names in whole])
        strings = [name for names in whole for name in names]
        first, part = np.cumsum(count) - count, len(strings) + np.arange(4 * len(told))
        strings += [action.part(p, self.fused_names) for p in PARTS for action in told]
        places = {"first": first, "count": count, "part": part.reshape(4, -1)}
        return strings, {name: place.astype(np.int32) for name, place in places.items()}

    @functools.cached_property
    def text_encoder(self):
        made = make_encoder(self.encoder, self.weights, self.vocabulary)
        if self.train_text and not hasattr(made, "encode"):
            raise ConfigError(
                "this text encoder cannot be trained",
                where="method.train_text",
                found=f"encoder {self.encoder!r}",
                expected="clip or bert",
            )
        return made

    def text_tables(self) -> dict:
        """``extra["text"]``: places, and the features (n, d) or tokens of all strings.

        Under a hash of strings and weights, so that a run that starts from another's weights never
        takes over its texts.
        """
        strings, places = self.texts
        if self.train_text:
            kept = {"tokens": self.text_encoder.tokens(strings)}
        else:
            kept = {"features": cached_features(self.text_encoder, strings)}
        return {fingerprint(self.text_encoder, strings): jax.tree.map(jnp.asarray, places | kept)}

    def text_of(self, params, text: dict, rows: jax.Array) -> jax.Array:
        """Features (..., d) of the strings `rows`: a gather, or the encoder where it is trained."""
        if not self.train_text:
            return text["features"][rows]
        tokens = jax.tree.map(lambda t: t[rows.ravel()], text["tokens"])
        encoded = self.text_encoder.encode(params["text"], tokens)
        return at_least_float32(encoded).reshape(*rows.shape, -1)

    def batch_texts(self, params, extra, label, rng) -> tuple[jax.Array, jax.Array]:
        """(B, d) of the whole body and (4, B, d) of the parts, for clips of these labels."""
        (text,) = extra["text"].values()
        draw = jnp.floor(jax.random.uniform(rng, label.shape) * text["count"][label])
        whole = self.text_of(params, text, text["first"][label] + draw.astype(jnp.int32))
        # a trained encoder runs over the classes or over the clips, whichever are fewer
        if text["part"].shape[1] < len(label):
            return whole, self.text_of(params, text, text["part"])[:, label]
        return whole, self.text_of(params, text, text["part"][:, label])

    # ------------------------------------------------------------------------------ the method

    def init(self, rng, batch):
        params, extra = super().init(rng, batch)
        params["scale"] = jnp.full((1, 5), FIRST_SCALE)
        if self.train_text:
            params["text"] = jax.tree.map(jnp.asarray, self.text_encoder.params)
        extra["text"] = self.text_tables()
        whole, _ = self.batch_texts(params, extra, jnp.zeros(1, jnp.int32), rng)
        heads, features = self.text_heads(whole.shape[-1]), self.test_features(params, extra, batch)
        params["text_heads"] = heads.init(jax.random.fold_in(rng, 1), features)["params"]
        return params, extra

    def loss_fn(self, params, extra, batch, rng, step):
        features, extra = self.features(params, extra, batch["x"], rng)
        label, logits = batch["label"], self.logits(params, features)
        loss = self.classification(logits, label, step, rng)
        whole, parts = self.batch_texts(params, extra, label, jax.random.fold_in(rng, 2))
        terms = self.text_terms(params, self.project(params, features), (whole, *parts), label)
        top1 = jnp.mean(logits.argmax(-1) == label)
        metrics = {"top1": top1, "text": terms.mean()}
        return loss + self.alpha * terms.mean(), (extra, metrics)

    def text_terms(self, params, skeletons, texts, label) -> jax.Array:
        """The contrastive terms that `terms` names, of five (B, d) each."""
        (scale,) = params["scale"]
        if not self.raw_scale:
            scale = jnp.exp(jnp.minimum(scale, LARGEST_SCALE))
        return jnp.stack(
            [contrast(skeletons[i], texts[i], scale[i], label).loss for i in TERMS[self.terms]]
        )

    def project(self, params, features) -> tuple[jax.Array, ...]:
        """Five (N, d): whole body and parts in the text's space."""
        heads = params["text_heads"]
        width, part_width = (len(heads[name]["bias"]) for name in ("whole", "head"))
        return self.text_heads(width, part_width).apply({"params": heads}, features)

    def test_features(self, params, extra, batch) -> Features:
        """Features of a test."""
        variables = {"params": params["backbone"], "batch_stats": extra["batch_stats"]}
        return self.net.apply(variables, batch["x"], train=False)

    # ---------------------------------------------------------- recognition by text (zeroshot.py)

    def embed(self, params, extra, batch) -> jax.Array:
        """(N, P, d) rows of length 1, one for each of the terms that were trained."""
        found = self.project(params, self.test_features(params, extra, batch))
        return jnp.stack([unit(found[i]) for i in TERMS[self.terms]], 1)

    def class_texts(self, params, extra) -> jax.Array:
        """(K, P, d) rows of length 1 to compare with `embed`; of the whole body the mean name."""
        (text,) = extra["text"].values()
        first, count = text["first"], text["count"]
        total = int(count.sum())
        owner = jnp.repeat(jnp.arange(len(count)), count, total_repeat_length=total)
        names = unit(self.text_of(params, text, first[0] + jnp.arange(total)))
        whole = unit(jax.ops.segment_sum(names, owner, len(count)))
        parts = unit(self.text_of(params, text, text["part"]))
        return jnp.stack([whole, *parts], 1)[:, np.asarray(TERMS[self.terms])]


def part_joints(layout: Layout, bones: bool = False) -> tuple[tuple[int, ...], ...]:
    """Joints of head, hand, hip and foot.

    Raises:
      ConfigError: the layout does not say which they are.
    """
    parts = dict(layout.bone_parts if bones else layout.parts)
    if not all(parts.get(name) for name in PARTS):
        raise ConfigError(
            "the layout does not name the parts of the body",
            where=layout.name,
            found=", ".join(parts) or "none",
            expected=", ".join(PARTS),
            do="add [parts] to its TOML file: docs/own_data.md",
        )
    return tuple(parts[name] for name in PARTS)
