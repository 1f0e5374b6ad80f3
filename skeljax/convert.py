"""Public PyTorch checkpoints to run folders and back: ``skeljax convert FILE.pt --to RUN``."""

from __future__ import annotations

import argparse
import ast
import functools
import hashlib
import json
import pathlib

from skeljax.errors import CheckpointError, positive, run_cli

_SHOWN = 12  # tensors listed one by one; all are in converted.json


def convert(source, run, given) -> list[str]:
    """Makes a run folder of a public checkpoint.

    Args:
      source: ``.pt`` or ``.pth`` file; nothing but weights is read from it.
      run: the folder, made here.
      given: interop.settings.Given, what the tensors do not tell.

    Returns:
      What was found, taken for granted, loaded, missing and unused, in lines.

    Raises:
      CheckpointError: no known family, tensors that do not fit, or a folder that exists.
      ConfigError: something the tensors do not tell is not given, or does not fit them.
    """
    import jax
    import numpy as np

    from skeljax import rundir
    from skeljax.checkpoint import Checkpoints
    from skeljax.interop import graphs
    from skeljax.interop.known import recognise
    from skeljax.interop.pytorch import load_state_dict, read_pt
    from skeljax.interop.settings import settings
    from skeljax.job import build, facts_to_json
    from skeljax.sharding import make_mesh
    from skeljax.train import State

    run = pathlib.Path(run)
    if (run / "run.json").exists():
        raise CheckpointError("the folder holds a run", where=run, do="choose another --to")
    if any(path.name.isdigit() for path in (run / "checkpoints").glob("*")):  # it would be kept
        raise CheckpointError(
            "the folder holds a checkpoint without a run", where=run / "checkpoints",
            do="delete it, or choose another --to",
        )  # fmt: skip
    found = recognise(read_pt(source), family=given.family, stream=given.stream, where=source)
    config, facts, assumed = settings(found, given, source)
    method = build(config, facts).method
    graphs.check(found.state, method.net, found.known.family)
    init = functools.partial(_init, method, facts)
    empty = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), jax.eval_shape(init))
    variables, report = load_state_dict(
        found.state, _wrap(*empty), found.known.family, strict=False
    )
    if lost := [part for part in report.missing if not part[0].startswith(found.known.head[:-6])]:
        raise CheckpointError(
            f"the checkpoint lacks {len(lost)} tensors of the backbone",
            where=source,
            found=_listed(report.unused) or "nothing else",
            expected=_listed(lost),
            do="give the arguments that it was trained with: --set model.NAME=VALUE",
        )
    params, extra = variables["params"], {"batch_stats": variables["batch_stats"]["backbone"]}
    if report.missing:
        params["head"] = jax.jit(lambda: init()[0]["head"])()
    record = {
        "source": pathlib.Path(source).name,
        "sha256": hashlib.sha256(pathlib.Path(source).read_bytes()).hexdigest(),
        "family": found.known.family,
        "names": {name: found.names[name] for name in report.loaded},
        "shapes": {name: list(found.state[name].shape) for name in report.loaded},
        "missing": {name: list(shape) for name, shape in report.missing},
        "unused": {found.names[name]: list(shape) for name, shape in report.unused},
    }
    about = {
        "config": rundir.jsonable(config),
        "facts": facts_to_json(facts),
        "dataset": config.data.dataset,
        "fingerprint": "",
        "test_fingerprint": "",
    }
    with rundir.guarded(run):
        run.mkdir(parents=True, exist_ok=True)
        _carry(run, record, found)
        saved = Checkpoints(run / "checkpoints")
        saved.save(State(jax.numpy.int32(0), params, extra, {}), about)
        saved.close()
        rundir.write(run, about | {"converted": record["source"]}, make_mesh("1"))
    return _told(found, assumed, record, run)


def export(run, target, family: str = "", checkpoint: str = "last") -> list[str]:
    """Writes a run's weights as a PyTorch state dict; the inverse of `convert`.

    Tensors that a converted checkpoint brought along and that we do not use (counters, constants
    of the graph, other heads) come back as they were.

    Raises:
      CheckpointError: no run, no PyTorch here, or a backbone without public names.
    """
    import numpy as np

    from skeljax import files, rundir
    from skeljax.checkpoint import Checkpoints
    from skeljax.evaluate import find_checkpoint
    from skeljax.interop import graphs
    from skeljax.interop.pytorch import state_dict, write_pt
    from skeljax.job import build

    folder, step = find_checkpoint(run, checkpoint)
    saved = Checkpoints(folder, read_only=True)
    config, facts = rundir.config_and_facts(saved.about(step))
    record = _record(run)
    family = family or record.get("family") or config.model.name
    net, variables = build(config, facts).method.net, saved.variables(step)
    state = state_dict(_wrap(variables["params"], variables["extra"]), family)
    lines = [f"{len(state)} tensors under the names of {family}"]
    if record.get("family") == family:
        state = {
            record["names"].get(name, name): value.reshape(record["shapes"].get(name, value.shape))
            for name, value in state.items()
        }
        carried = files.read_npz(pathlib.Path(run) / _CARRIED)
        lines += [f"{len(carried)} tensors that came with {record['source']}, as they were"]
        state |= carried
    else:
        counters = [name for name in state if name.endswith("running_mean")]
        state |= {f"{name[:-12]}num_batches_tracked": np.int64(0) for name in counters}
        state = graphs.constants(net, family) | state
    others = {*variables["params"], *variables["extra"]} - {"backbone", "head", "batch_stats"}
    if others:
        lines += ["left out, only backbone and classifier go back: " + ", ".join(sorted(others))]
    write_pt(target, state)
    return [*lines, f"in {target}"]


_CARRIED, _RECORD = "carried.npz", "converted.json"


def _init(method, facts):
    """A method's initial (params, extra)."""
    import jax
    import jax.numpy as jnp

    shape = (1, facts.num_bodies, 64, facts.layout.num_joints, facts.channels)
    batch = {"label": jnp.zeros(1, jnp.int32), "index": jnp.zeros(1, jnp.int32)}
    batch |= {view: jnp.zeros(shape) for view in method.views}
    return method.init(jax.random.key(0), batch)


def _wrap(params, extra) -> dict:
    """A method's arrays that have public names, as `load_state_dict` takes them."""
    params = {part: params[part] for part in ("backbone", "head") if part in params}
    return {"params": params, "batch_stats": {"backbone": extra.get("batch_stats", {})}}


def _carry(run, record, found) -> None:
    """Writes what was loaded from where, and all that was not."""
    import numpy as np

    from skeljax import files

    loaded = set(record["names"].values())
    rest = {found.names[name]: value for name, value in found.state.items()}
    with files.atomic(run / _CARRIED) as file:
        np.savez(file, **{name: value for name, value in rest.items() if name not in loaded})
    files.write_json(run / _RECORD, record)


def _record(run) -> dict:
    path = pathlib.Path(run) / _RECORD
    return json.loads(path.read_text()) if path.is_file() else {}


def _told(found, assumed, record, run) -> list[str]:
    size = f"{found.joints} joints x {found.channels} values"
    classes = f"{found.classes} classes" if found.classes else "no classifier"
    model = ", ".join(f"{name} {value}" for name, value in found.arguments.items())
    quiet = len(found.state) - len(record["names"]) - len(record["unused"])
    lines = [
        f"{record['source']}: {found.known.family}",
        f"its tensors say: {classes}, {size}, {model}",
        "taken for granted, each an option: "
        + ", ".join(f"--{name} {value}" for name, value in assumed.items()),
        f"loaded {len(record['names'])} tensors; {quiet} counters and constants are no weights",
    ]
    for kind in ("missing", "unused"):
        lines += [f"{kind} {len(record[kind])}: {_listed(record[kind].items()) or 'none'}"]
    if record["missing"]:
        lines += ["the classifier is fresh: fine-tune it before you believe it"]
    return [*lines, f"{run} is a run folder now: skeljax predict {run} FILE ..."]


def _listed(tensors) -> str:
    """Each with its shape; of many, those that begin alike are counted."""
    groups = {}
    for name, shape in tensors:
        groups.setdefault(name.partition(".")[0], []).append(f"{name} {tuple(shape)}")
    many = sum(map(len, groups.values())) > _SHOWN
    return ", ".join(
        f"{group}.* ({len(members)} tensors)" if many and len(members) > 3 else ", ".join(members)
        for group, members in groups.items()
    )


def _field(text: str) -> tuple[str, object]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is no FIELD=VALUE")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="skeljax convert", description=__doc__.splitlines()[0])
    made.add_argument("source", help="a public .pt or .pth file, or a run folder")
    made.add_argument("--to", required=True, help="the run folder to make, or the .pth to write")
    made.add_argument("--family", default="", help="whose names the tensors have; found by them")
    made.add_argument("--layout", default="", help="name or TOML file of the joints")
    made.add_argument("--classes", default="", help="text file, a class name a line")
    made.add_argument("--stream", default="", help="what it was trained on: joint, bone, ...")
    made.add_argument("--bodies", type=positive, default=0, help="bodies a clip")
    made.add_argument("--recipe", default="", help="how clips become input: ctrgcn_ntu, pyskl, ...")
    made.add_argument("--prepare", default="", help="whole-clip preparation: prenorm3d, unit, ...")
    made.add_argument("--dataset", default="", help="what `evaluate` tests it on")
    made.add_argument("--checkpoint", default="last", help="of a run: last, best or a path")
    made.add_argument(
        "--set", type=_field, action="append", default=[], metavar="FIELD=VALUE",
        help="any field of the config, such as recipe.length=64",
    )  # fmt: skip
    return made


def main(argv: list[str]) -> None:
    from skeljax.interop.settings import Given
    from skeljax.sharding import set_up

    options = vars(parser().parse_args(argv))
    source, target, fields = options.pop("source"), options.pop("to"), dict(options.pop("set"))
    checkpoint = options.pop("checkpoint")
    set_up()
    if target.endswith((".pt", ".pth")):
        lines = export(source, target, options["family"], checkpoint)
    else:
        lines = convert(source, target, Given(**options, fields=fields))
    print("\n".join(lines))


if __name__ == "__main__":
    import sys

    run_cli(main, sys.argv[1:])
