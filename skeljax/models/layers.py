"""Layers that the backbones share.

Between the data norm and the taps a backbone keeps its activations as (C, B, T, V): channels lead,
B = N * M bodies, T frames, V joints. Then a 1x1 convolution is one matrix product over all bodies
and frames, a temporal one a product with shifted copies, and the aggregation over joints a batched
product, all without a transpose; that is what a CPU wants (benchmarks/ctrgcn_cpu.py), and on an
accelerator XLA chooses the layout in memory itself.

Parameters and running statistics are float32 whatever the compute dtype; dtype=jnp.float64 (under
jax_enable_x64) checks gradients that cancel heavily. Arithmetic follows PyTorch, so that published
checkpoints and numbers carry over: explicit symmetric padding, stride 2 gives ceil(T / 2) frames,
max pooling pads with -inf, batch norm keeps the unbiased variance.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp

from skeljax.errors import ConfigError, choose
from skeljax.models.products import every, pointwise, temporal_conv, two_sums

Initializer = Callable[..., jax.Array]
INITIALS = ("torch", "normal", "kaiming")


def kaiming_out(fan_out: int) -> Initializer:
    """N(0, 2 / fan_out): PyTorch's kaiming_normal_(mode="fan_out")."""
    return nn.initializers.normal((2 / fan_out) ** 0.5)


def torch_uniform(fan_in: int) -> Initializer:
    """U(+-1 / sqrt(fan_in)): what PyTorch gives weights and biases of a convolution or Linear."""

    def init(key, shape, dtype=jnp.float32):
        return jax.random.uniform(key, shape, dtype, -1, 1) * fan_in**-0.5

    return init


def torch_default(fan_in: int) -> dict[str, Initializer]:
    """Arguments that start a `Conv` or `ConvNorm` as PyTorch does; fan_in = C times K."""
    return {"kernel_init": torch_uniform(fan_in), "bias_init": torch_uniform(fan_in)}


def around_one(key, shape, dtype=jnp.float32):
    """N(1, 0.02): initial scale of some batch norms."""
    return 1 + 0.02 * jax.random.normal(key, shape, dtype)


def start(initial: str, fan_in: int) -> dict[str, Initializer]:
    """Arguments that start a `ConvNorm`: ``torch``, PyTorch's own values; ``normal``, N(0, 0.02);
    ``kaiming``, as CTR-GCN and 2s-AGCN."""
    if choose("initial", initial, INITIALS) == "torch":
        return torch_default(fan_in)
    if initial == "normal":
        return {"kernel_init": nn.initializers.normal(0.02), "scale_init": around_one}
    return {}


def check_width(features: int, *, multiple: int = 1, least: int = 1) -> None:
    """Raises ConfigError unless a block of so many channels can be cut into its branches."""
    if features >= least and features % multiple == 0:
        return
    raise ConfigError(
        "this backbone cannot have blocks of this width",
        where="model.width",
        found=f"{features} channels in a block",
        expected=f"a multiple of {multiple}" if multiple > 1 else f"{least} or more",
    )


def at_least_float32(x: jax.Array) -> jax.Array:
    """bfloat16 as float32, for statistics and losses; float64 (a check of gradients) as it is."""
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))


class BatchNorm(nn.Module):
    """Batch normalisation with PyTorch's arithmetic: the running variance is the unbiased one.

    Attributes:
      axis: of the features; statistics are taken over all others.
      momentum: weight of the old running statistics (PyTorch's 0.1 is 0.9 here).
      epsilon: added to the variance.
      scale_init: initial scale.
    """

    axis: int = -1
    momentum: float = 0.9
    epsilon: float = 1e-5
    scale_init: Initializer = nn.initializers.ones

    def __call__(self, x: jax.Array, *, train: bool, bias: jax.Array | None = None) -> jax.Array:
        """Normalises `x`; the result has its dtype.

        Args:
          x: features on `self.axis`.
          train: with the batch's statistics, which move the running ones; else with the latter.
          bias: (features,) of the convolution before, not yet added to `x`: normalisation takes it
            out again, so that only the running mean and evaluation see it.
        """
        axis = self.axis % x.ndim
        size = x.shape[axis]
        if not train:
            scale, shift = (_along(v, axis, x.ndim) for v in self.affine(size, bias))
            return (x * scale + shift).astype(x.dtype)
        gamma, beta, running_mean, running_var = self.tables(size)
        y, mean, var = normalise(x, gamma, beta, axis, self.epsilon)
        if not self.is_initializing():
            count, keep = x.size // size, self.momentum
            mean = mean if bias is None else mean + bias
            unbiased = var * (count / max(count - 1, 1))
            running_mean.value = keep * running_mean.value + (1 - keep) * mean
            running_var.value = keep * running_var.value + (1 - keep) * unbiased
        return y

    def affine(self, size: int, bias: jax.Array | None = None) -> tuple[jax.Array, jax.Array]:
        """(features,) scale and shift that normalise by the running statistics."""
        gamma, beta, running_mean, running_var = self.tables(size)
        mean = running_mean.value if bias is None else running_mean.value - bias
        scale = gamma * jax.lax.rsqrt(running_var.value + self.epsilon)
        return scale, beta - mean * scale

    @nn.compact
    def tables(self, size: int):
        """Scale, bias and the running mean and variance, each of (features,)."""
        return (
            self.param("scale", self.scale_init, (size,)),
            self.param("bias", nn.initializers.zeros, (size,)),
            self.variable("batch_stats", "mean", jnp.zeros, (size,)),
            self.variable("batch_stats", "var", jnp.ones, (size,)),
        )


@functools.partial(jax.custom_vjp, nondiff_argnums=(3, 4))
def normalise(x, gamma, beta, axis: int, epsilon: float):
    """Batch norm by the statistics of `x`: y in x's dtype, mean and biased variance (features,).

    With its own derivative: two sums and one pass, where differentiating the centred square takes
    many (benchmarks/ctrgcn_cpu.py), and E[x^2] - E[x]^2 would lose the digits on which the gradient
    of CTR-GCN's alpha rests. Nothing is differentiated through mean and variance as outputs.
    """
    return _normalise(x, gamma, beta, axis, epsilon)[0]


def _normalise(x, gamma, beta, axis, epsilon):
    others = tuple(a for a in range(x.ndim) if a != axis)
    wide = at_least_float32(x)
    mean = wide.mean(others)
    centred = wide - _along(mean, axis, x.ndim)
    count = x.size // x.shape[axis]
    squares, rest = two_sums(jnp.square(centred), centred, axis)
    var = (squares - rest * rest / count) / count  # without what rounding has left in the mean
    inverse = jax.lax.rsqrt(var + epsilon)
    y = centred * _along(inverse * gamma, axis, x.ndim) + _along(beta, axis, x.ndim)
    return (y.astype(x.dtype), mean, var), (x, mean, inverse, gamma)


def _normalise_back(axis, epsilon, kept, cotangents):
    x, mean, inverse, gamma = kept
    count = x.size // x.shape[axis]
    dy = at_least_float32(cotangents[0])
    unit = (at_least_float32(x) - _along(mean, axis, x.ndim)) * _along(inverse, axis, x.ndim)
    dbeta, dgamma = two_sums(dy, dy * unit, axis)
    dx = dy - _along(dbeta / count, axis, x.ndim) - unit * _along(dgamma / count, axis, x.ndim)
    dx = dx * _along(inverse * gamma, axis, x.ndim)
    return dx.astype(x.dtype), dgamma.astype(gamma.dtype), dbeta.astype(gamma.dtype)


normalise.defvjp(_normalise, _normalise_back)


def _along(values, axis: int, ndim: int):
    """(features,) as an array of `ndim` axes that lies along `axis`."""
    return values.reshape([-1 if a == axis else 1 for a in range(ndim)])


class DataNorm(nn.Module):
    """Batch norm of the input coordinates.

    Attributes:
      order: ``MVC``, own statistics for every person, joint and coordinate (CTR-GCN, AAGCN), or
        ``VC``, persons share them (ST-GCN).
      scale_init: initial scale.
    """

    order: str = "MVC"
    scale_init: Initializer = nn.initializers.ones

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """(N, M, T, V, C) -> the same shape."""
        n, m, t, v, c = x.shape
        norm = BatchNorm(scale_init=self.scale_init, name="bn")
        if choose("data norm", self.order, ("MVC", "VC")) == "VC":
            return norm(x.reshape(n, m, t, v * c), train=train).reshape(x.shape)
        by_frame = x.swapaxes(1, 2).reshape(n, t, m * v * c)
        return norm(by_frame, train=train).reshape(n, t, m, v, c).swapaxes(1, 2)


class Conv(nn.Module):
    """Convolution over time, or 1x1, on (C, B, T, V); kernel (C, D) for 1x1, else (K, C, D).

    Attributes:
      features: D.
      kernel_size: K frames, odd.
      stride, dilation: over time.
      kernel_init, bias_init: initial values.
      use_bias: whether there is one.
      groups: G of the channels that do not mix, in and out; the kernel has C / G channels.
    """

    features: int
    kernel_size: int = 1
    stride: int = 1
    dilation: int = 1
    kernel_init: Initializer | None = None
    bias_init: Initializer = nn.initializers.zeros
    use_bias: bool = True
    groups: int = 1

    @nn.compact
    def weights(self, channels: int) -> tuple[jax.Array, jax.Array | None]:
        """Kernel and bias for input of so many channels."""
        shape = (channels // self.groups, self.features)
        if self.kernel_size > 1:
            shape = (self.kernel_size, *shape)
        init = self.kernel_init or kaiming_out(self.kernel_size * self.features)
        bias = self.param("bias", self.bias_init, (self.features,)) if self.use_bias else None
        return self.param("kernel", init, shape), bias

    def product(self, x: jax.Array, kernel: jax.Array) -> jax.Array:
        """The convolution itself, without the bias."""

        def one(x, kernel):
            if self.kernel_size == 1:
                return pointwise(every(x, self.stride), kernel)
            return temporal_conv(x, kernel, self.stride, self.dilation)

        if self.groups == 1:
            return one(x, kernel)
        x = x.reshape(self.groups, -1, *x.shape[1:])
        kernel = kernel.reshape(*kernel.shape[:-1], self.groups, -1)
        y = jax.vmap(one)(x, jnp.moveaxis(kernel, -2, 0))
        return y.reshape(-1, *y.shape[2:])

    def __call__(self, x: jax.Array) -> jax.Array:
        """(C, B, T, V) -> (D, B, ceil(T / stride), V)."""
        kernel, bias = self.weights(x.shape[0])
        y = self.product(x, kernel)
        return y if bias is None else y + bias.astype(x.dtype).reshape(-1, *[1] * (x.ndim - 1))


class ConvNorm(nn.Module):
    """Convolution and batch norm; in evaluation folded into one product.

    Attributes: those of `Conv` but `use_bias`, and the batch norm's `scale_init`.
    """

    features: int
    kernel_size: int = 1
    stride: int = 1
    dilation: int = 1
    kernel_init: Initializer | None = None
    bias_init: Initializer = nn.initializers.zeros
    scale_init: Initializer = nn.initializers.ones
    groups: int = 1

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """(C, B, T, V) -> (D, B, ceil(T / stride), V)."""
        conv = Conv(
            self.features, self.kernel_size, self.stride, self.dilation,
            self.kernel_init, self.bias_init, groups=self.groups, name="conv",
        )  # fmt: skip
        kernel, bias = conv.weights(x.shape[0])
        norm = BatchNorm(axis=0, scale_init=self.scale_init, name="bn")
        if train:
            return norm(conv.product(x, kernel), train=True, bias=bias)
        scale, shift = norm.affine(self.features, bias=bias)
        y = conv.product(x, kernel * scale)
        return y + shift.astype(y.dtype)[:, None, None, None]


def shortcut(
    x: jax.Array, features: int, stride: int = 1, *, train: bool, name: str = "residual", **init
) -> jax.Array:
    """(C, B, T, V) -> (D, B, ceil(T / stride), V): x as it is or, if that is another shape, through
    a 1x1 `ConvNorm` of that name in the calling module; `init` are its initial values."""
    if x.shape[0] == features and stride == 1:
        return x
    return ConvNorm(features, stride=stride, **init, name=name)(x, train=train)
