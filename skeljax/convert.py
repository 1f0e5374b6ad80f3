"""Public PyTorch checkpoints to run folders and back: ``skeljax convert FILE.pt --to RUN``."""

from __future__ import annotations

import argparse
import ast
import dataclasses
import functools
import hashlib
import json
import pathlib

from skeljax.errors import CheckpointError, ConfigError, choose, run_cli

_SHOWN = 12  # tensors listed one by one; the rest is counted, and listed in converted.json

# How the public code bases feed their networks, by their number of joints (0: any other):
# layout, whole-clip preparation, recipe and its arguments.
PRACTICES = {
    "ctrgcn": {
        25: ("ntu25", "trim", "ctrgcn_ntu", {}),
        20: ("ucla20", "none", "ucla", {}),
        0: ("", "unit", "generic", {}),
    },
    "pyskl": {
        25: ("ntu25_pyskl", "prenorm3d", "pyskl", {}),
        20: ("ucla20", "none", "pyskl", {}),
        17: ("coco17", "prenorm2d", "pyskl", {}),
        18: ("openpose18", "none", "pyskl", {}),
        21: ("hand21", "prenorm2d_auto", "pyskl", {"length": 10}),
        0: ("", "unit", "pyskl", {}),
    },
    "contrastive": {
        25: ("ntu25", "contrastive50", "contrastive", {}),
        0: ("", "unit", "contrastive", {"frames": 50}),
    },
}
_CLEANED = {"ctrgcn": "", "pyskl": "_pyskl", "contrastive": "_listed"}  # endings of NTU configs


@dataclasses.dataclass(frozen=True)
class Given:
    """What the tensors do not tell, as the user says it; empty where the practice decides.

    Attributes:
      family: of the names; found by them.
      layout: name, or TOML file, of the joints.
      classes: text file, one name a line.
      stream: joint, bone, ...
      bodies: M.
      recipe, prepare, dataset: see docs/config.md.
      fields: further fields of the config, ``{"recipe.length": 10}``.
    """

    family: str = ""
    layout: str = ""
    classes: str = ""
    stream: str = ""
    bodies: int = 0
    recipe: str = ""
    prepare: str = ""
    dataset: str = ""
    fields: dict = dataclasses.field(default_factory=dict)


def convert(source, run, given: Given) -> list[str]:
    """Makes a run folder of a public checkpoint.

    Args:
      source: ``.pt`` or ``.pth`` file; nothing but weights is read from it.
      run: the folder, made here.

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
    from skeljax.interop.known import recognise
    from skeljax.interop.pytorch import load_state_dict, read_pt
    from skeljax.job import build, facts_to_json
    from skeljax.sharding import make_mesh
    from skeljax.train import State

    run = pathlib.Path(run)
    if (run / "run.json").exists():
        raise CheckpointError("the folder holds a run", where=run, do="choose another --to")
    found = recognise(read_pt(source), family=given.family, stream=given.stream, where=source)
    config, facts, assumed = _settings(found, given, source)
    method = build(config, facts).method
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
        params["head"] = jax.jit(init)()[0]["head"]
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
    from skeljax.interop.known import KNOWN
    from skeljax.interop.pytorch import state_dict, write_pt

    folder, step = find_checkpoint(run, checkpoint)
    saved = Checkpoints(folder, read_only=True)
    config, _ = rundir.config_and_facts(saved.about(step))
    record = _record(run)
    if not family:
        own = [known.family for known in KNOWN if known.backbone == config.model.name]
        family = record.get("family") or (own or [""])[0]
    if not family:
        raise CheckpointError(
            f"no public code base has {config.model.name!r}", where=run, do="give --family"
        )
    variables = saved.variables(step)
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
    others = {*variables["params"], *variables["extra"]} - {"backbone", "head", "batch_stats"}
    if others:
        lines += ["left out, they have no public name: " + ", ".join(sorted(others))]
    write_pt(target, state)
    return [*lines, f"in {target}"]


_CARRIED, _RECORD = "carried.npz", "converted.json"


def _settings(found, given: Given, source):
    """Config and Facts of the run, and what of them nobody said."""
    import numpy as np

    from skeljax import presets
    from skeljax.interop.known import graph_of
    from skeljax.layouts import get_layout
    from skeljax.methods import Facts

    practice = PRACTICES[found.known.practice]
    usual, prepare, recipe, options = practice.get(found.joints, practice[0])
    if not (given.layout or usual):
        raise ConfigError(
            f"which {found.joints} joints are these?", where=source,
            do="--layout FILE.toml (docs/own_data.md says how to write one)",
        )  # fmt: skip
    layout = get_layout(given.layout or usual)
    if (layout.num_joints, layout.channels) != (found.joints, found.channels):
        raise ConfigError(
            "the layout does not fit the checkpoint", where=given.layout or usual,
            found=f"{layout.num_joints} joints x {layout.channels} values",
            expected=f"{found.joints} joints x {found.channels} values",
            do="--layout NAME or FILE.toml with the joints it was trained on",
        )  # fmt: skip
    bodies = found.bodies or given.bodies or (2 if found.joints == 25 else 1)
    names = _classes(found, given, source)
    config = presets.base()
    config.stream = given.stream or "joint"
    config.data.dataset = given.dataset or _dataset(found)
    config.data.prepare = given.prepare or prepare
    chosen = given.recipe or recipe
    presets.use_recipe(config, chosen, **(options if chosen == recipe else {}))
    model = {k[6:]: v for k, v in given.fields.items() if k.startswith("model.")}
    model = found.arguments | graph_of(found, layout) | model
    presets.use_model(config, found.known.backbone, **model)
    presets.use_method(config, "supervised")
    for field, value in given.fields.items():
        _set(config, field, value)
    facts = Facts(
        classes=names,
        class_counts=np.zeros(len(names), np.int64),
        layout=layout,
        num_bodies=bodies,
        channels=layout.channels,
        batch=config.train.batch,
        steps_per_epoch=1,
        epochs=config.train.epochs,
    )
    assumed = {
        "layout": (given.layout, f"{layout.name}"),
        "bodies": (given.bodies or found.bodies, bodies),
        "stream": (given.stream, config.stream),
        "prepare": (given.prepare, config.data.prepare),
        "recipe": (given.recipe, chosen),
        "dataset": (given.dataset, config.data.dataset or "none"),
        "classes": (given.classes, f"{names[0]}, {names[1]}, ..." if len(names) > 1 else names[0]),
    }
    return config, facts, {name: value for name, (said, value) in assumed.items() if not said}


def _dataset(found) -> str:
    if (found.joints, found.classes) == (20, 10):
        return "nw_ucla"
    split = {60: "ntu60/xsub", 120: "ntu120/xsub"}.get(found.classes)
    return split + _CLEANED[found.known.practice] if split and found.joints == 25 else ""


def _classes(found, given: Given, source) -> tuple[str, ...]:
    """K names: of the file, of the data set, or numbers."""
    if given.classes:
        try:
            text = pathlib.Path(given.classes).expanduser().read_text()
        except OSError as error:
            raise ConfigError(
                "cannot read the class names", where=given.classes, found=error.strerror
            ) from None
        names = tuple(line.strip() for line in text.splitlines() if line.strip())
        if found.classes not in (None, len(names)):
            raise ConfigError(
                "the class names do not fit the checkpoint", where=given.classes,
                found=f"{len(names)} names", expected=f"{found.classes}, one a line",
            )  # fmt: skip
        return names
    if found.classes is None:
        raise ConfigError(
            "the checkpoint has no classifier", where=source, expected=found.known.head,
            do="--classes FILE.txt, the names of the classes that you will fine-tune it for",
        )  # fmt: skip
    if (found.joints, found.classes) == (20, 10):
        from skeljax.readers.nw_ucla import CLASSES

        return CLASSES
    return tuple(map(str, range(found.classes)))


def _set(config, field: str, value) -> None:
    *path, name = field.split(".")
    node = config
    for part in path:
        node = node[choose("field", part, node, where="--set")]
    choose("field", name, node, where=f"--set {field}")
    try:
        node[name] = value
    except (TypeError, ValueError) as error:
        raise ConfigError("the value does not fit", where=f"--set {field}", found=error) from None


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
    tensors = [f"{name} {tuple(shape)}" for name, shape in tensors]
    more = f" and {len(tensors) - _SHOWN} more" if len(tensors) > _SHOWN else ""
    return ", ".join(tensors[:_SHOWN]) + more


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
    made.add_argument("--bodies", type=int, default=0, help="bodies a clip")
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
