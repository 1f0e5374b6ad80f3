"""Learning-rate schedules and optimizers."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import optax

from skeljax.errors import ConfigError, choose


def learning_rate(
    base_lr: float,
    *,
    batch: int,
    base_batch: int,
    epochs: int,
    steps_per_epoch: int,
    name: str = "step",
    warmup_epochs: int = 0,
    milestones: tuple[int, ...] = (),
    gamma: float = 0.1,
    final: float = 0.0,
    per_step: bool = False,
) -> optax.Schedule:
    """Rate of each step: warm-up, then steps or a half cosine.

    The peak is ``base_lr * batch / base_batch`` (linear scaling): the global batch sets it, the
    number of devices never does. `base_batch` 0 takes `base_lr` as it is.

    Args:
      name: ``step`` (times `gamma` at each of `milestones`, in epochs), ``cosine`` (to
        `final` * peak after `epochs`) or ``constant``.
      warmup_epochs: during epoch e (0-based) of these the rate is peak * (e + 1) / warmup_epochs.
      per_step: the rate moves with every step instead of once an epoch.
    """
    choose("schedule", name, ("step", "cosine", "constant"), where="optim.schedule.name")
    peak = base_lr * batch / base_batch if base_batch else base_lr

    def schedule(step):
        epoch = step / steps_per_epoch if per_step else step // steps_per_epoch
        if name == "step":
            passed = sum((epoch >= m for m in milestones), start=jnp.int32(0))
            rate = peak * gamma**passed
        elif name == "cosine":
            left = jnp.clip((epochs - epoch) / epochs, 0.0, 1.0)
            # (1 + cos) / 2 of the time gone, without losing the digits of a small rate
            share = jnp.square(jnp.sin(jnp.pi / 2 * left))
            rate = peak * (final + (1 - final) * share)
        else:
            rate = jnp.float32(peak)
        if warmup_epochs:
            ramp = (epoch + (1 / steps_per_epoch if per_step else 1)) / warmup_epochs
            rate = jnp.where(epoch < warmup_epochs, peak * ramp, rate)
        return jnp.asarray(rate, jnp.float32)

    return schedule


def make_optimizer(
    rate: optax.Schedule,
    labels,
    *,
    name: str = "sgd",
    momentum: float = 0.9,
    nesterov: bool = True,
    weight_decay: float = 0.0,
    decay_all: bool = True,
    clip_norm: float = 0.0,
    groups: dict | None = None,
) -> optax.GradientTransformation:
    """SGD or AdamW with a rate and a decay for each group of parameters.

    Args:
      labels: pytree of strings like the parameters (`Method.groups`); ``frozen`` never moves.
      decay_all: decay every parameter, batch norms and biases too, as the published recipes do;
        False leaves vectors and scalars alone.
      clip_norm: largest global gradient norm, 0 = no limit.
      groups: {label: {"lr_ratio": float, "weight_decay": float}}, either may be left out.

    Raises:
      ConfigError: unknown optimizer or option, or a group that labels no parameter.
    """
    choose("optimizer", name, ("sgd", "adamw"), where="optim.name")
    groups = dict(groups or {})
    used = sorted(set(jax.tree.leaves(labels)))  # in one order, or half the runs compile anew
    for label, options in groups.items():
        choose("parameter group", label, used, where="optim.groups")
        for option in options:
            choose("option", option, ("lr_ratio", "weight_decay"), where=f"optim.groups.{label}")
    if "frozen" in groups:
        raise ConfigError("frozen parameters take no rate", where="optim.groups.frozen")

    def mask(params):
        return jax.tree.map(lambda p: decay_all or p.ndim > 1, params)

    def one(label):
        if label == "frozen":
            return optax.set_to_zero()
        group = groups.get(label, {})
        ratio, decay = group.get("lr_ratio", 1.0), group.get("weight_decay", weight_decay)

        def group_rate(step):
            return ratio * rate(step)

        if name == "adamw":
            return optax.adamw(group_rate, weight_decay=decay, mask=mask)
        return optax.chain(
            optax.add_decayed_weights(decay, mask),
            optax.sgd(group_rate, momentum=momentum, nesterov=nesterov),
        )

    by_group = optax.multi_transform({label: one(label) for label in used}, labels)
    if clip_norm:
        return optax.chain(optax.clip_by_global_norm(clip_norm), by_group)
    return by_group
