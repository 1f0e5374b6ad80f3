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


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def along_first(x: jax.Array, count: int) -> jax.Array:
    """(...) -> (count, ...), the same again and again; its gradient is `over_first`."""
    return jnp.broadcast_to(x, (count, *x.shape))


along_first.defvjp(
    lambda x, count: (along_first(x, count), None), lambda count, _, dy: (over_first(dy),)
)


def temporal_conv(x: jax.Array, kernel: jax.Array, stride: int, dilation: int) -> jax.Array:
    """Convolution over time: (C, B, T, V) and (K, C, D) -> (D, B, ceil(T / stride), V), K odd."""
    if stride == dilation == 1 and len(kernel) in (9, 15):
        return _long_conv(x, kernel)
    return _joined_conv(x, kernel, stride, dilation)


@jax.checkpoint  # for the gradient frames are joined anew: kept, they are many times the size of x
def _long_conv(x, kernel):
    return jax.lax.platform_dependent(x, kernel, cpu=_winograd_conv, default=_joined_conv)


def _joined_conv(x, kernel, stride=1, dilation=1):
    """`temporal_conv` as one product with shifted copies."""
    taps = windows(x, len(kernel), stride, dilation)
    return pointwise(jnp.concatenate(taps), kernel.reshape(-1, kernel.shape[-1]))


def _winograd_conv(x, kernel):
    """`temporal_conv` of an odd multiple of 3 frames at two thirds of its products and copies.

    Three taps make two neighbouring frames of the output by four products in place of six,
    Winograd's F(2, 3) (Lavin and Gray, 2016); longer kernels are the sum of such threes.
    """
    t, threes = x.shape[2], len(kernel) // 3
    reach, pairs = len(kernel) // 2, -(-t // 2)
    padded = jnp.pad(x, ((0, 0), (0, 0), (reach, reach + t % 2), (0, 0)))

    def frame(k):  # the k-th that every pair of output frames sees
        return padded[:, :, k : k + 2 * pairs - 1 : 2]

    first, second, third = kernel.reshape(threes, 3, *kernel.shape[1:]).swapaxes(0, 1)
    kernels = first, (first + second + third) / 2, (first - second + third) / 2, third
    seen = [[frame(3 * three + k) for k in range(4)] for three in range(threes)]
    inputs = zip(*((a - c, b + c, c - b, b - d) for a, b, c, d in seen))
    # fused with the sums, joining would ask for every number which part it is of
    joined = (jnp.concatenate(jax.lax.optimization_barrier(parts)) for parts in inputs)
    products = [pointwise(v, w.reshape(-1, w.shape[-1])) for v, w in zip(joined, kernels)]
    p, q, r, s = jax.lax.optimization_barrier(products)
    y = jnp.stack((p + q + r, q - r - s), 3)  # even and odd frames
    return y.reshape(*y.shape[:2], 2 * pairs, y.shape[-1])[:, :, :t]


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
