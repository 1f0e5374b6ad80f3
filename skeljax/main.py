"""Train: flags -> config -> run.

python -m skeljax.main --config configs/nwucla_ctrgcn.py:bone --workdir runs/bone --config.seed=1
"""

from __future__ import annotations

import difflib
import re
import sys
import traceback

from absl import flags
from ml_collections import config_flags

from skeljax.errors import ConfigError, SkeljaxError, run_cli

_CONFIG = config_flags.DEFINE_config_file("config", None, "config file, FILE.py or FILE.py:OPTIONS")
_WORKDIR = flags.DEFINE_string("workdir", None, "run folder; a run found there is resumed")
_DEVICES = flags.DEFINE_string("devices", "", "a number or a list (0,2) of devices; all by default")
_CPU_DEVICES = flags.DEFINE_integer("cpu_devices", 0, "make so many devices of the CPU")
_DISTRIBUTED = flags.DEFINE_bool("distributed", False, "join the other hosts of a launch")
_CACHE = flags.DEFINE_string("compile_cache", None, "folder of compiled programs, or 'none'")
_PRINT = flags.DEFINE_bool("print_config", False, "list every field: type, value, meaning")
_PROFILE = flags.DEFINE_bool("profile", False, "write a profiler trace of the run to WORKDIR/trace")


def main(argv: list[str]) -> int:
    """Parses flags, sets JAX up, trains. Returns the exit code."""
    config = parse(argv)
    if _PRINT.value:
        from skeljax.presets import describe

        for field, kind, value, meaning in describe(config):
            print(f"{field:<32}{kind:<7}{value!r:<24}{meaning}")
        return 0
    if not _WORKDIR.value:
        raise ConfigError("no run folder given", do="--workdir runs/NAME")
    from skeljax import sharding
    from skeljax.pretraining_table import train_table
    from skeljax.row import train_row
    from skeljax.stop import Stop
    from skeljax.train import train

    sharding.set_up(_CACHE.value, _CPU_DEVICES.value)
    if _DISTRIBUTED.value:
        sharding.start_distributed()
    mesh = sharding.make_mesh(_DEVICES.value)
    with sharding.end_alone(), Stop() as stop, _trace(_PROFILE.value and _WORKDIR.value):
        run = train_row if config.row.streams else train
        run = train_table if config.row.table else run
        run(config.lock(), _WORKDIR.value, mesh, stop)
    return 0


def parse(argv: list[str]):
    """The config after all overrides; every mistake is a ConfigError. ``--help`` exits."""
    if {"-h", "--help"} & set(argv):
        print(usage())
        sys.exit(0)
    try:
        rest = flags.FLAGS(["skeljax.main", *argv])
        config = _CONFIG.value
        _ = config and config.seed  # a file that cannot be loaded says so at first use only
    except SkeljaxError:
        raise
    except Exception as error:  # the config file is code: it may raise anything
        _explain(error, argv)
        said = re.sub(r"\\n|\\|['\"]", lambda m: "\n" if m[0] == "\\n" else "", str(error))
        raise ConfigError(
            "cannot load the config file" if isinstance(error, OSError) else "no such options",
            found=" ".join(said.split("Attempted")[-1].split()).replace(
                "Did you mean", "- did you mean"
            ),
            do="--config FILE.py --print_config lists every field",
        ) from error
    if rest[1:]:
        raise ConfigError("unknown arguments", found=" ".join(rest[1:]), expected="--flags only")
    if config is None:
        raise ConfigError("no config given", do="--config configs/synthetic_ctrgcn.py")
    return config


def _explain(error: Exception, argv: list[str]) -> None:
    """Raises a ConfigError if the config file's own code failed, or a field is misspelt."""
    config = _config_of(argv)
    file, inner = config.partition(":")[0], error
    while inner is not None:  # ml_collections and absl wrap what they catch
        frames = traceback.extract_tb(inner.__traceback__)
        lines = [frame.lineno for frame in frames if frame.filename == file]
        if isinstance(inner, SyntaxError) and inner.filename == file:
            lines.append(inner.lineno)
        deeper = inner.__cause__ or inner.__context__
        if lines or (not deeper and "get_config" in str(inner)):  # absent, or takes no words
            raise ConfigError(
                "the config file cannot be run",
                where=f"{file}, line {lines[-1]}" if lines else file,
                found=f"{type(inner).__name__}: {inner}",
            ) from error
        inner = deeper
    for asked in re.findall(r"^--?(?:no)?config\.([^=\n]+)", "\n".join(argv), re.MULTILINE):
        near = nearest_fields(asked, config)
        if near is not None:
            raise ConfigError(
                f"the config has no field {asked!r}"
                + (f": did you mean {' or '.join(near)}?" if near else ""),
                where=f"--config.{asked}",
                do="--config FILE.py --print_config lists every field",
            ) from error


def _config_of(argv: list[str]) -> str:
    """What ``--config`` is given."""
    for flag, following in zip(argv, [*argv[1:], ""]):
        name, equals, value = flag.partition("=")
        if name in ("-config", "--config"):
            return value if equals else following
    return ""


def nearest_fields(asked: str, config: str) -> list[str] | None:
    """Fields of a config file, FILE.py:OPTIONS, that a misspelt one may mean; None if it is one."""
    from skeljax.presets import describe

    try:
        loaded = flags.FLAGS["config"].parser.parse(config)
        fields = [field for field, *_ in describe(loaded)]
    except Exception:  # that is another fault, told elsewhere
        return None
    if any(f"{asked}.".startswith(f"{f}.") or f.startswith(f"{asked}.") for f in fields):
        return None
    alike = [f for f in fields if f.rpartition(".")[2].endswith(asked.rpartition(".")[2])]
    return difflib.get_close_matches(asked, alike or fields, 3, 0.0 if alike else 0.4)


def usage() -> str:
    """How a run is started, and every flag defined so far (bench adds its own)."""
    lines = [__doc__.strip(), ""]
    for module, defined in flags.FLAGS.flags_by_module_dict().items():
        if not module.startswith(("absl", "ml_collections")):
            lines += [f"  --{flag.name:<18}{flag.help}" for flag in defined]
    return "\n".join([*lines, "", "  --config.FIELD=VALUE changes a field of the config"])


def _trace(workdir):
    import contextlib

    import jax

    return jax.profiler.trace(f"{workdir}/trace") if workdir else contextlib.nullcontext()


if __name__ == "__main__":
    run_cli(main, sys.argv[1:])
