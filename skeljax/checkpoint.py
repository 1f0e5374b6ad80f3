"""Checkpoints of a run. The only file that knows Orbax."""

from __future__ import annotations

import contextlib
import logging
import pathlib
import shutil
import sys

import jax
import numpy as np
import orbax.checkpoint as ocp
from orbax.checkpoint import checkpoint_managers as policies

from skeljax.errors import CheckpointError

_HANDLERS = {
    "variables": ocp.StandardCheckpointHandler,
    "trainer": ocp.StandardCheckpointHandler,
    "about": ocp.JsonCheckpointHandler,
}


class Checkpoints:
    """A folder with the newest state of a run, and every `keep_every` steps one that stays.

    Each checkpoint has three items: ``variables`` (params and extra: what evaluation and
    fine-tuning need), ``trainer`` (optimizer state and step) and ``about`` (the config, and the
    score it was kept for). It is written under a temporary name and renamed when whole, and only
    then is the one before it removed: a kill at any moment leaves a whole one.

    Raises:
      CheckpointError: from every call, when the folder cannot be written or read.
    """

    def __init__(self, folder: str | pathlib.Path, *, keep_every: int = 0, read_only: bool = False):
        self.folder = pathlib.Path(folder).resolve()
        if read_only and not self.folder.is_dir():
            raise CheckpointError(
                "there is no checkpoint", where=self.folder, do="train first: skeljax train"
            )
        keep = [policies.LatestN(1)]
        if keep_every:
            keep.append(policies.EveryNSteps(keep_every))
        options = ocp.CheckpointManagerOptions(
            preservation_policy=policies.AnyPreservationPolicy(keep),
            create=not read_only,
            read_only=read_only,
            cleanup_tmp_directories=not read_only,
            # two folders saving the same step at once would meet at each other's barriers
            multiprocessing_options=ocp.options.MultiprocessingOptions(
                barrier_sync_key_prefix=self.folder.name
            ),
        )
        with _explained(self.folder, "open"):
            self._manager = ocp.CheckpointManager(
                self.folder,
                options=options,
                item_names=tuple(_HANDLERS),
                item_handlers={item: handler() for item, handler in _HANDLERS.items()},
            )

    @property
    def latest(self) -> int | None:
        """Step of the newest whole checkpoint."""
        return self._manager.latest_step()

    def save(self, state, about: dict) -> None:
        """Starts saving in the background; the save before it is finished first.

        Args:
          state: with `step`, `params`, `extra`, `opt`.
          about: JSON values: the config, a score.
        """
        items = ocp.args.Composite(
            variables=ocp.args.StandardSave({"params": state.params, "extra": state.extra}),
            trainer=ocp.args.StandardSave({"opt": state.opt, "step": state.step}),
            about=ocp.args.JsonSave(about),
        )
        step = int(state.step)
        _hush_orphans()
        with _explained(self.folder, "save"):
            self._manager.wait_until_finished()
            self._check_space(state)
            if step != self._manager.latest_step():
                self._manager.save(step, args=items, force=True)

    def _check_space(self, state) -> None:
        """Refuses a save that cannot fit before Orbax's writer threads run into it one by one."""
        needed = sum(leaf.nbytes for leaf in jax.tree.leaves(state))
        free = shutil.disk_usage(self.folder).free
        if free < 1.2 * needed:
            raise CheckpointError(
                "no space to save the checkpoint",
                where=self.folder,
                found=f"{free / 1e6:.1f} MB free",
                expected=f"{1.2 * needed / 1e6:.1f} MB",
                do="free some space and start the same command again; the last whole one is kept",
            )

    def close(self) -> None:
        """Waits until the last save is on disk."""
        with _explained(self.folder, "save"):
            self._manager.wait_until_finished()
            self._manager.close()

    def restore(self, state, step: int):
        """The state saved at `step`, placed like `state`."""
        target = jax.tree.map(_abstract, state)
        items = ocp.args.Composite(
            variables=ocp.args.StandardRestore({"params": target.params, "extra": target.extra}),
            trainer=ocp.args.StandardRestore({"opt": target.opt, "step": target.step}),
        )
        with _explained(self.folder / str(step), "restore"):
            got = self._manager.restore(step, args=items)
        return type(state)(**got.variables, **got.trainer)

    def variables(self, step: int) -> dict:
        """{"params", "extra"} at `step` as NumPy arrays, whatever their shapes."""
        with _explained(self.folder / str(step), "read"):
            saved = self._manager.item_metadata(step).variables.tree
            target = jax.tree.map(lambda leaf: np.empty(leaf.shape, leaf.dtype), saved)
            args = ocp.args.Composite(variables=ocp.args.StandardRestore(target))
            return self._manager.restore(step, args=args).variables

    def about(self, step: int) -> dict:
        with _explained(self.folder / str(step), "read"):
            args = ocp.args.Composite(about=ocp.args.JsonRestore())
            return self._manager.restore(step, args=args).about


def _hush_orphans() -> None:
    """Silences writers whose save has failed already.

    The first that fails (a full disk) ends the save and its event loop, which is the error that is
    told. Of the others, threads would print a trace of not finding that loop, tasks one of theirs.
    """
    before = sys.unraisablehook
    if getattr(before, "__name__", "") == "_without_orphans":
        return

    def _without_orphans(told):
        if str(told.exc_value) != "Event loop is closed" or told.object is not None:
            before(told)

    sys.unraisablehook = _without_orphans
    logging.getLogger("asyncio").addFilter(_not_orbax)


def _not_orbax(record) -> bool:
    return "orbax" not in record.getMessage()


def _abstract(x):
    return jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding)


@contextlib.contextmanager
def _explained(folder, verb: str):
    """Orbax's errors and the file system's in one voice."""
    try:
        yield
    except CheckpointError:
        raise
    except Exception as error:  # Orbax raises many kinds, from its writer threads too
        reason = " ".join(str(error).split())[:400] or type(error).__name__
        do = {
            "save": "free some space or choose another --workdir; the last whole one is kept",
            "open": "choose a --workdir that can be written",
        }.get(verb, "was it trained with another model, class count or layout?")
        raise CheckpointError(
            f"cannot {verb} the checkpoint", where=folder, found=reason, do=do
        ) from error
