"""Products and sums that all layers are made of, on activations (C, B, T, V); no parameters.

How they are written is what a CPU wants: channels lead, so that a 1x1 convolution is one matrix
product over all bodies and frames and nothing is transposed (see `layers`).
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp


@jax.custom_vjp
def pointwise(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """1x1 convolution: (C, ...) and (C, D) -> (D, ...).

    The gradient is written out because the automatic one multiplies with the channels last, which
    costs a transpose of every activation. What is summed over lies last in the left factor, and of
    two factors the taller is the left one: on a CPU that is up to twice as fast.
    """
    rows = turned(kernel.astype(x.dtype))
    return _matmul(rows, x.reshape(x.shape[0], -1), 1, 0).reshape(-1, *x.shape[1:])


def turned(kernel: jax.Array) -> jax.Array:
    """(C, D) -> (D, C), also in memory: XLA would put the turn into the product it is made for."""
    return jax.lax.optimization_barrier(kernel.T)


def _pointwise_fwd(x, kernel):
    return pointwise(x, kernel), (x, kernel)


def _pointwise_bwd(saved, dy):
    x, kernel = saved
    flat_x, flat_dy = x.reshape(x.shape[0], -1), dy.reshape(dy.shape[0], -1)
    dx = _matmul(kernel.astype(dy.dtype), flat_dy, 1, 0).reshape(x.shape)
    if len(dy) > len(x):
        dkernel = _matmul(flat_dy, flat_x, 1, 1).T
    else:
        dkernel = _matmul(flat_x, flat_dy, 1, 1)
    return dx, dkernel.astype(kernel.dtype)


pointwise.defvjp(_pointwise_fwd, _pointwise_bwd)


@jax.custom_vjp
def aggregate(x: jax.Array, topology: jax.Array) -> jax.Array:
    """Sum over joints: (C, B, T, V) and (C, B, V, W) -> (C, B, T, W); see `pointwise`."""
    return _matmul(x, topology, 3, 2, batch=2)


def _aggregate_fwd(x, topology):
    return aggregate(x, topology), (x, topology)


def _aggregate_bwd(saved, dy):
    x, topology = saved
    return _matmul(dy, topology, 3, 3, batch=2), _matmul(x, dy, 2, 2, batch=2)


aggregate.defvjp(_aggregate_fwd, _aggregate_bwd)


@jax.custom_vjp
def aggregate_alike(x: jax.Array, topology: jax.Array) -> jax.Array:
    """`aggregate` by a graph that all channels share: (C, B, T, V) and (B, V, W) -> (C, B, T, W).

    Its gradient in the graph sums the channels in the product; that of a broadcast graph would make
    one for each channel first.
    """
    return aggregate(x, _for_each(topology, x))


def _alike_fwd(x, topology):
    return aggregate_alike(x, topology), (x, topology)


def _alike_bwd(saved, dy):
    x, topology = saved
    dx = _matmul(dy, _for_each(topology, x), 3, 3, batch=2)
    return dx, jnp.einsum("cbtv,cbtw->bvw", x, dy)


aggregate_alike.defvjp(_alike_fwd, _alike_bwd)


def _for_each(topology, x):
    return jnp.broadcast_to(topology, (len(x), *topology.shape))


def _matmul(a, b, axis_a, axis_b, batch=0, precision=None):
    both = tuple(range(batch))
    return jax.lax.dot_general(a, b, (((axis_a,), (axis_b,)), (both, both)), precision)


def written(x: jax.Array) -> jax.Array:
    """`x` itself. On a CPU it is written to memory, once, whatever it was made of.

    XLA for a CPU makes what it takes for cheap anew for each reader, back to the last product or
    joining, through barriers too; what it takes for expensive, as a division, it makes once.
    """
    return jax.lax.platform_dependent(x, cpu=_by_one, default=lambda x: x)


@jax.custom_vjp
def _by_one(x):
    return x / (1 + 0 * x)  # a one that no simplification sees


_by_one.defvjp(lambda x: (_by_one(x), None), lambda _, dy: (dy,))


def over_first(x: jax.Array) -> jax.Array:
    """Sum over the leading axis: (C, ...) -> (...).

    As a product with ones: where the rest is large, XLA's sum takes 50 times as long on a CPU.
    """
    total = _matmul(jnp.ones((1, len(x)), x.dtype), x.reshape(len(x), -1), 1, 0, 0, "highest")
    return total.reshape(x.shape[1:])


def two_sums(a: jax.Array, b: jax.Array, axis: int) -> tuple[jax.Array, jax.Array]:
    """Sums of two arrays of one shape over all axes but one.

    XLA's sums on a CPU want what they add up in memory first. One that adds pairs is made in one
    loop with them: over the frames of (C, B, T, V) here, the rest is small.
    """
    others = tuple(k for k in range(a.ndim) if k != axis)

    def apart(a, b):
        return a.sum(others), b.sum(others)

    def pairs(a, b):
        zero = jnp.zeros((), a.dtype)
        a, b = jax.lax.reduce((a, b), (zero, zero), lambda p, q: (p[0] + q[0], p[1] + q[1]), (2,))
        return a.sum((1, 2)), b.sum((1, 2))

    if others != (1, 2, 3):
        return apart(a, b)
    return jax.lax.platform_dependent(a, b, cpu=pairs, default=apart)


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def along_first(x: jax.Array, count: int) -> jax.Array:
    """(...) -> (count, ...), the same again and again; its gradient is `over_first`."""
    return jnp.broadcast_to(x, (count, *x.shape))


along_first.defvjp(
    lambda x, count: (along_first(x, count), None), lambda count, _, dy: (over_first(dy),)
)


def temporal_conv(x: jax.Array, kernel: jax.Array, stride: int, dilation: int) -> jax.Array:
    """Convolution over time: (C, B, T, V) and (K, C, D) -> (D, B, ceil(T / stride), V), K odd."""
    long = len(kernel) >= max(6, 3 * stride) and len(kernel) // 2 % stride == 0
    if long and dilation == 1:
        return _long_conv(x, kernel, stride)
    taps = windows(x, len(kernel), stride, dilation)
    return pointwise(jnp.concatenate(taps), kernel.reshape(-1, kernel.shape[-1]))


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _long_conv(x, kernel, stride):
    return _conv(x, kernel, stride, len(kernel) // 2, -(-x.shape[2] // stride))


def _long_conv_bwd(stride, saved, dy):
    """Convolutions too: frames are joined anew, as keeping them would take many times x.

    Each of the `stride` neighbouring frames of x sees dy through its own taps of the kernel.
    """
    x, kernel = saved
    (taps, c, d), before = kernel.shape, len(kernel) // 2
    _, pull = jax.vjp(lambda kernel: _conv(x, kernel, stride, before, dy.shape[2]), kernel)
    own = jnp.pad(kernel, ((0, -taps % stride), (0, 0), (0, 0))).reshape(-1, stride, c, d)
    own = own[::-1].transpose(0, 3, 1, 2).reshape(-1, d, stride * c)
    dx = _conv(dy, own, 1, len(own) - 1 - before // stride, dy.shape[2])
    return together(dx.reshape(stride, c, *dx.shape[1:]), x.shape[2]), *pull(dy)


_long_conv.defvjp(
    lambda x, kernel, stride: (_long_conv(x, kernel, stride), (x, kernel)), _long_conv_bwd
)


def _conv(x, kernel, stride, before, frames):
    """y[t] = sum over k of kernel[k] applied to x[stride t + k - before], for `frames` t."""
    joined = functools.partial(_joined_conv, stride=stride, before=before, frames=frames)
    if x.dtype.itemsize < 4:  # Winograd's sums would cost it more digits than it has to spare
        return joined(x, kernel)
    winograd = functools.partial(_winograd_conv, **joined.keywords)
    return jax.lax.platform_dependent(x, kernel, cpu=winograd, default=joined)


def _joined_conv(x, kernel, stride, before, frames):
    """As one product with shifted copies."""
    last = stride * (frames - 1)
    padded = _pad(x, before, last + len(kernel))
    taps = [padded[:, :, k : k + last + 1 : stride] for k in range(len(kernel))]
    return pointwise(jnp.concatenate(taps), kernel.reshape(-1, kernel.shape[-1]))


def _pad(x, before, frames):
    """With `before` frames of zeros, and as many after, or as many less, as make them `frames`."""
    time = before, frames - before - x.shape[2], 0
    return jax.lax.pad(x, jnp.zeros((), x.dtype), ((0, 0, 0), (0, 0, 0), time, (0, 0, 0)))


def _winograd_conv(x, kernel, stride, before, frames):
    """By five ninths of the products and copies.

    Three taps make three neighbouring frames of the output by five products in place of nine,
    Winograd's F(3, 3) at 0, 1, -1, 2 and infinity (Lavin and Gray, 2016). Longer kernels are the
    sum of such threes, and all of them see the same five inputs, each three frames further.
    With a stride, each of every `stride` frames is an input with its own taps.
    """
    groups, threes = -(-len(kernel) // (3 * stride)), -(-frames // 3)
    ends, step = threes + groups - 1, 3 * stride
    taps = jnp.pad(kernel, ((0, step * groups - len(kernel)), (0, 0), (0, 0)))
    first, second, third = taps.reshape(groups, 3, -1, taps.shape[-1]).swapaxes(0, 1)
    kernels = (
        first / 2,
        -(first + second + third) / 2,
        -(first - second + third) / 6,
        (first + 2 * second + 4 * third) / 6,
        third[: len(kernel) // step],  # the rest are none
    )
    padded = _pad(x, before, step * ends + 2 * stride)

    def inputs(phase):
        a, b, c, d, e = (
            padded[:, :, k : k + step * (ends - 1) + 1 : step]
            for k in range(phase, phase + 5 * stride, stride)
        )
        seen = 2 * a - b - 2 * c + d, d - c - 2 * b, 2 * b - 3 * c + d, d - b, 2 * b - c - 2 * d + e
        return map(_by_one, seen)  # written, or each of the joined would be computed anew

    def product(phases, kernel):
        joined = [v[:, :, k : k + threes] for k in range(len(kernel)) for v in phases]
        return pointwise(jnp.concatenate(joined), kernel.reshape(-1, kernel.shape[-1]))

    seen = zip(*map(inputs, range(stride)))
    p, q, r, s, u = jax.lax.optimization_barrier(tuple(map(product, seen, kernels)))
    return together(jnp.stack((p + q + r + s, q - r + 2 * s, q + r + 4 * s + u)), frames)


def together(x: jax.Array, frames: int) -> jax.Array:
    """Every n-th frame from each of n arrays: (n, C, B, T, V) -> (C, B, frames, V)."""
    y = jnp.moveaxis(x, 0, 3)
    return y.reshape(*y.shape[:2], -1, y.shape[-1])[:, :, :frames]


def max_pool(x: jax.Array, stride: int, window: int = 3) -> jax.Array:
    """Maximum over `window` frames: (C, B, T, V) -> (C, B, ceil(T / stride), V)."""
    first, *others = windows(x, window, stride, fill=-jnp.inf)
    for other in others:
        first = jnp.maximum(first, other)
    return first


def every(x: jax.Array, stride: int) -> jax.Array:
    """Every `stride`-th frame of (C, B, T, V)."""
    return x if stride == 1 else x[:, :, ::stride]


def windows(x: jax.Array, size: int, stride: int = 1, dilation: int = 1, fill: float = 0.0):
    """The `size` frames (odd) that each output frame sees, as a list of arrays (C, B, T', V)."""
    reach = dilation * (size // 2)
    t = x.shape[2]
    padded = jnp.pad(x, ((0, 0), (0, 0), (reach, reach), (0, 0)), constant_values=fill)
    return [padded[:, :, k * dilation : k * dilation + t : stride] for k in range(size)]
