"""The backbones and what each costs: ``skeljax zoo``."""

from __future__ import annotations

import argparse
import json
import math
import sys

import jax
import jax.numpy as jnp

from skeljax.errors import choose, positive, run_cli
from skeljax.layouts import Layout, get_layout
from skeljax.models import BACKBONES
from skeljax.models.heads import Classifier, Linear


def measure(name: str, layout: Layout, *, frames: int, bodies: int, classes: int) -> dict:
    """Size and cost of one backbone with a linear head, for one clip; nothing is compiled.

    Args:
      name: of BACKBONES.
      layout: of the V joints.
      frames, bodies, classes: T, M, K.

    Returns:
      "parameters"; "multiply_adds" of an evaluation, in products of matrices and convolutions;
      "activation_bytes" of one clip that a training step in float32 keeps for its gradient.
    """
    net, variables, x = _network(name, layout, frames, bodies, classes)

    def train(params, variables, x):
        rngs, variables = {"dropout": jax.random.key(0)}, variables | {"params": params}
        return net.apply(variables, x, train=True, mutable=["batch_stats"], rngs=rngs)[0][0]

    return {
        **size(name, layout, frames=frames, bodies=bodies, classes=classes),
        "activation_bytes": kept_bytes(train, variables["params"], variables, x),
    }


def size(name: str, layout: Layout, *, frames: int, bodies: int, classes: int) -> dict:
    """`measure` without the activations."""
    net, variables, x = _network(name, layout, frames, bodies, classes)
    jaxpr = jax.make_jaxpr(lambda v, x: net.apply(v, x, train=False)[0])(variables, x)
    return {
        "name": name,
        "parameters": sum(math.prod(p.shape) for p in jax.tree.leaves(variables["params"])),
        "multiply_adds": multiply_adds(jaxpr.jaxpr),
    }


def _network(name, layout, frames, bodies, classes):
    """A classifier, the shapes of its variables and of one clip."""
    net = Classifier(BACKBONES[name](layout=layout, num_person=bodies), Linear(classes))
    shape = (1, bodies, frames, layout.num_joints, layout.channels)
    x = jax.ShapeDtypeStruct(shape, jnp.float32)
    variables = jax.eval_shape(lambda x: net.init(jax.random.key(0), x, train=False), x)
    return net, variables, x


def kept_bytes(function, params, *given) -> int:
    """Bytes of what the gradient of `function(params, *given)` in `params` keeps of the way there,
    beside its arguments; all may be shapes only."""
    kept = {}

    def both_ways(params, *given):
        _, back = jax.vjp(lambda params: function(params, *given), params)
        arguments = {id(leaf) for leaf in jax.tree.leaves((params, given))}
        kept.update({id(x): x for x in jax.tree.leaves(back) if id(x) not in arguments})

    jax.eval_shape(both_ways, params, *given)
    return sum(math.prod(x.shape) * x.dtype.itemsize for x in kept.values())


def multiply_adds(jaxpr) -> int:
    """Of all products of matrices and convolutions in a jaxpr, loops taken by their length, and of
    a choice by platform the plain form, which has most."""
    total = 0
    for equation in jaxpr.eqns:
        if equation.primitive.name == "cond":
            total += max(multiply_adds(branch.jaxpr) for branch in equation.params["branches"])
            continue
        out = math.prod(equation.outvars[0].aval.shape)
        if equation.primitive.name == "dot_general":
            (contracted, _), _ = equation.params["dimension_numbers"]
            left = equation.invars[0].aval.shape
            total += out * math.prod(left[axis] for axis in contracted)
        elif equation.primitive.name == "conv_general_dilated":
            kernel = equation.invars[1].aval.shape
            features = equation.params["dimension_numbers"].rhs_spec[0]
            total += out * math.prod(kernel) // kernel[features]
        times = equation.params.get("length", 1)
        for value in equation.params.values():
            for inner in value if isinstance(value, (tuple, list)) else (value,):
                if hasattr(inner, "jaxpr"):  # closed
                    inner = inner.jaxpr
                if hasattr(inner, "eqns"):
                    total += times * multiply_adds(inner)
    return total


def table(rows: list[dict]) -> str:
    """The rows as text."""
    lines = [f"{'backbone':<20}{'parameters':>12}{'multiply-adds':>16}{'activations':>14}"]
    lines += [
        f"{row['name']:<20}{row['parameters'] / 1e6:10.2f} M{row['multiply_adds'] / 1e9:14.2f} G"
        f"{row['activation_bytes'] / 1e6:11.1f} MB"
        for row in rows
    ]
    return "\n".join(lines)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="skeljax zoo", description=__doc__.splitlines()[0])
    made.add_argument("names", nargs="*", help="backbones; all by default")
    made.add_argument("--layout", default="ntu25", help="name or TOML file of the joints")
    made.add_argument("--frames", type=positive, default=100, help="T")
    made.add_argument("--bodies", type=positive, default=2, help="M")
    made.add_argument("--classes", type=positive, default=60, help="K")
    made.add_argument("--json", action="store_true", help="print JSON")
    return made


def main(argv: list[str]) -> None:
    options = parser().parse_args(argv)
    names = [choose("backbone", name, BACKBONES) for name in options.names or BACKBONES]
    sizes = {"frames": options.frames, "bodies": options.bodies, "classes": options.classes}
    layout = get_layout(options.layout)
    rows = [measure(name, layout, **sizes) for name in names]
    if options.json:
        print(json.dumps({"layout": layout.name, **sizes, "backbones": rows}, indent=1))
        return
    print(
        f"one clip of {options.frames} frames, {layout.num_joints} joints of {layout.name}, "
        f"{options.bodies} bodies; {options.classes} classes"
    )
    print(table(rows))


if __name__ == "__main__":
    run_cli(main, sys.argv[1:])
