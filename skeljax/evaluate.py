"""Testing: padded batches, several clips, metrics; `skeljax evaluate RUN` for any saved run."""

from __future__ import annotations

import argparse
import dataclasses
import pathlib

import jax
import jax.numpy as jnp
import numpy as np

from skeljax import files, metrics, rundir
from skeljax import scores as score_files
from skeljax.checkpoint import Checkpoints
from skeljax.data.feeder import eval_batches
from skeljax.data.recipes import device_data, num_clips, render
from skeljax.errors import CheckpointError, ConfigError, DataError, choose, positive, run_cli
from skeljax.job import Job, build, check_layout, load_split, load_training
from skeljax.report import write_report
from skeljax.scores import Scores
from skeljax.sharding import is_main, make_mesh, replicate, replicated, set_up, split


class Evaluator:
    """Runs a job's test recipe over a store; see `make_evaluator` for methods without logits.

    Args:
      job: method, recipe and stream.
      store: what is tested.
      batch: clips a dispatch, rounded up to the devices.
      mesh: devices.
      clips: how many clips of a recording are averaged; all that the recipe has if None.
    """

    protocol = ""  # another word for result.json than the dataset's own

    def __init__(self, job: Job, store, batch: int, mesh, clips: int | None = None):
        self.store, self.mesh = store, mesh
        self.clips = clips or num_clips(job.test_recipe)
        self.batch = -(-batch // mesh.size) * mesh.size
        self.job, self._data = job, None
        self._predict = jax.jit(self._predict_batch, out_shardings=replicated(mesh))

    def _predict_batch(self, params, extra, data, index):
        """{"logits": (N, K), ...}, what the method predicts; of several clips the mean, for logits
        that of the probabilities."""
        job = self.job
        index = jax.lax.with_sharding_constraint(index, split(self.mesh))

        def one_clip(clip):
            key = jax.random.key(0)  # test recipes draw nothing
            batch = {"label": data["label"][index], "index": index}
            for view in job.method.views:
                batch[view] = render(job.test_recipe, data, index, key, job.stream, clip=clip)
            return job.method.predict(params, extra, batch)

        if self.clips == 1:
            return one_clip(0)
        outputs = jax.lax.map(one_clip, jnp.arange(self.clips))
        if "logits" in outputs:
            outputs["logits"] = jax.nn.softmax(outputs["logits"], axis=-1)
        return jax.tree.map(lambda x: x.mean(0), outputs)

    def outputs(self, params, extra, stop=None) -> dict[str, np.ndarray] | None:
        """What `predict` gives for every clip of the store, in its order; None if asked to stop."""
        if self._data is None:
            sharding = replicated(self.mesh)
            self._data = device_data(self.store, self.job.test_recipe, sharding=sharding)
        parts = []
        for index, valid in zip(*eval_batches(len(self.store), self.batch)):
            if stop is not None and stop.asked:
                return None
            index = replicate(index, self.mesh)
            out = jax.device_get(self._predict(params, extra, self._data, index))
            parts.append({k: np.asarray(v)[valid] for k, v in out.items()})
        return {k: np.concatenate([part[k] for part in parts]) for k in parts[0]}

    def scores(self, params, extra, train_counts, stop=None) -> Scores | None:
        outputs = self.outputs(params, extra, stop)
        if outputs is None:
            return None
        return Scores(
            name=self.store.name,
            scores=outputs["logits"].astype(np.float32),
            label=self.store.label,
            kind="logits" if self.clips == 1 else "probabilities",
            classes=np.asarray(self.store.classes),
            train_counts=train_counts,
            feature=outputs.get("feature"),
        )

    def __call__(self, state, stop=None) -> dict[str, float] | None:
        """{"top1", "top5", "mean_class"}, fractions; None if asked to stop."""
        counts = self.job.facts.class_counts
        scores = self.scores(state.params, state.extra, counts, stop)
        return None if scores is None else metrics.summary(scores.scores, scores.label)


class KnnEvaluator(Evaluator):
    """Judges embeddings: of the clips of a bank, the nearest vote for their own class; a clip that
    is in the bank too has no vote for itself.

    Both go through the test recipe: no augmentation, as the public monitor had it left on.

    Args:
      bank: the store whose clips vote, the training part.
    """

    protocol = "knn"

    def __init__(self, job: Job, store, bank, batch: int, mesh, clips: int | None = None):
        super().__init__(job, store, batch, mesh, clips)
        labelled = bank.label >= 0  # others cannot vote
        self.bank = None
        if labelled.any():
            bank = bank if labelled.all() else bank.select(labelled)
            self.bank = Evaluator(job, bank, batch, mesh, clips=1)

    def scores(self, params, extra, train_counts, stop=None) -> Scores | None:
        """Shares (N, K) of the votes.

        Raises:
          DataError: no clip of the bank has a label.
        """
        if self.bank is None:
            raise DataError(
                "no clip of the training part has a label, so that none can vote",
                do="set train.validate_every=0 and train.test_last=False, and judge by a probe",
            )
        bank = self.bank.outputs(params, extra, stop)
        outputs = None if bank is None else self.outputs(params, extra, stop)
        if outputs is None:
            return None
        classes, row = self.store.classes, {n: i for i, n in enumerate(self.bank.store.name)}
        votes = metrics.knn_votes(
            outputs["embedding"],
            bank["embedding"],
            self.bank.store.label,
            len(classes),
            *self.job.method.knn,
            own=[row.get(name, -1) for name in self.store.name],
        )
        return Scores(
            name=self.store.name,
            scores=votes,
            label=self.store.label,
            kind="probabilities",
            classes=np.asarray(classes),
            train_counts=train_counts,
            feature=outputs.get("feature"),
        )


def make_evaluator(job: Job, store, bank, batch: int, mesh, clips: int | None = None) -> Evaluator:
    """An Evaluator over `store`; by votes of the `bank` where the method has `knn`, not logits."""
    if hasattr(job.method, "knn"):
        return KnnEvaluator(job, store, bank, batch, mesh, clips)
    return Evaluator(job, store, batch, mesh, clips)


def finish(workdir, config, judge: Evaluator, state, judged: str, wall_s: float) -> dict:
    """Tests the last epoch and, if the config says so, the best; writes results and the report.

    Args:
      judge: over the test store.
      judged: ``val`` or ``test``, the part that chose the best epoch.

    Returns:
      result.json's content.
    """
    about, facts, result, tested = rundir.read(workdir), judge.job.facts, {}, None
    for which, variables, step in _candidates(workdir, config, state, judged):
        variables = replicate(variables, judge.mesh)
        scores = judge.scores(variables["params"], variables["extra"], facts.class_counts)
        row = {
            **result_row(about),
            **metrics.summary(scores.scores, scores.label),
            "epoch": step / facts.steps_per_epoch,
            "which": which,
            "wall_s": round(wall_s, 1),
        }
        row["protocol"] = judge.protocol or row["protocol"]
        if is_main():
            ending = "" if which == "last" else f"_{which}"
            files.write_json(pathlib.Path(workdir) / f"result{ending}.json", row)
            path = pathlib.Path(workdir) / f"scores{ending}.npz"
            score_files.write(path, scores)
            tested = tested or (path if ending else workdir)
        result = result or row
    if tested:  # the folder, or where the last epoch is not tested the best one's scores
        print(write_report(tested, out=pathlib.Path(workdir) / "report"))
    return result


def _candidates(workdir, config, state, judged: str):
    """(which, variables, step) of the checkpoints to test."""
    if config.train.test_last:
        yield "last", {"params": state.params, "extra": state.extra}, int(state.step)
    if config.train.test_best and config.train.validate_every:
        best = Checkpoints(pathlib.Path(workdir) / "best", read_only=True)
        if best.latest is None:  # nothing was trained
            return
        yield f"best_{judged}", best.variables(best.latest), best.latest


def result_row(about: dict) -> dict:
    """The fields of a result that a run.json fixes."""
    config = about["config"]
    dataset, _, protocol = about["dataset"].partition("/")
    return {
        "dataset": dataset,
        "protocol": protocol,
        "split": config["data"]["train"],
        "method": config["method"]["name"],
        "backbone": config["model"]["name"],
        "stream": config["stream"],
        "recipe": config["scale"],
        "seed": config["seed"],
        "config": config,
        "hardware": about["hardware"],
        "versions": about["versions"],
        "git": about["git"],
        "command": about["command"],
        "fingerprint": about["fingerprint"],
    }


# --------------------------------------------------------------------------------- the verb

METRICS = ("top1", "top5", "mean_class", "per_class", "confusion", "groups", "ece")


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="skeljax evaluate", description="Test a run folder with its own config."
    )
    made.add_argument("run", help="run folder")
    made.add_argument(
        "--checkpoint", default="last", help="last, best, or the folder of one checkpoint"
    )
    made.add_argument("--split", help="another split than the config's test split")
    made.add_argument("--dataset", help="another dataset of the same layout and classes")
    made.add_argument("--data_dir", help="TFDS folder")
    made.add_argument("--out", help="scores: .npz, .json, .csv, or .pkl (the public form)")
    made.add_argument(
        "--list", action="store_true", help=".pkl as PYSKL's list of rows, without names"
    )
    made.add_argument("--metrics", default="top1,top5,mean_class", help="of " + ", ".join(METRICS))
    made.add_argument("--batch", type=positive, help="clips a dispatch")
    made.add_argument("--devices", default="", help="a number or a list of devices")
    return made


def main(argv: list[str]) -> None:
    options = parser().parse_args(argv)
    wanted = [choose("metric", m, METRICS, where="--metrics") for m in options.metrics.split(",")]
    if options.out:  # before the work
        choose("score file", pathlib.Path(options.out).suffix, score_files.SUFFIXES, where="--out")
    if options.list and not (options.out or "").endswith(".pkl"):
        raise ConfigError("only a pickle can be a list", where="--list", do="--out FILE.pkl")
    set_up()
    scores = evaluate_run(options)
    if is_main():
        if options.out:
            score_files.write(options.out, scores, as_list=options.list)
        print(table(scores, wanted))


def evaluate_run(options) -> Scores:
    """Scores of a run's checkpoint on a split."""
    folder, step = find_checkpoint(options.run, options.checkpoint)
    saved = Checkpoints(folder, read_only=True)
    config, facts = rundir.config_and_facts(saved.about(step))
    if options.dataset:
        config.data.dataset = options.dataset
    if options.data_dir:
        config.data.dir = options.data_dir
    mesh = make_mesh(options.devices)
    store = load_split(config, options.split or config.data.test)
    check_layout(facts, store)
    if facts.classes[: len(store.classes)] == store.classes:
        store = dataclasses.replace(store, classes=facts.classes)  # the data lacks the others
    elif len(store.classes) != len(facts.classes):
        raise CheckpointError(
            "the checkpoint is for another number of classes than the data",
            where=folder,
            found=f"{len(facts.classes)} classes",
            expected=f"{len(store.classes)}, as in {config.data.dataset}",
            do="fine-tune on this data first: --config.init_from=RUN",
        )
    job = build(config, facts)
    bank = None
    if hasattr(job.method, "knn"):
        bank = load_training(config)[0].with_bodies(facts.num_bodies)
    judge = make_evaluator(
        job, store.with_bodies(facts.num_bodies), bank, options.batch or config.test.batch, mesh
    )
    variables = replicate(saved.variables(step), mesh)
    return judge.scores(variables["params"], variables["extra"], facts.class_counts)


def find_checkpoint(run: str, which: str) -> tuple[pathlib.Path, int]:
    """(folder, step) of ``last``, ``best`` or the path of one checkpoint."""
    run, path = pathlib.Path(run), pathlib.Path(which)
    if which in ("last", "best"):
        rundir.read(run)
        folder = run / {"last": "checkpoints", "best": "best"}[which]
        step = Checkpoints(folder, read_only=True).latest
        if step is None:
            raise CheckpointError("there is no whole checkpoint", where=folder)
        return folder, step
    if path.is_dir() and path.name.isdigit():
        return path.parent, int(path.name)
    raise CheckpointError(
        "no such checkpoint",
        where=which,
        expected="last, best or a folder like RUN/checkpoints/650",
    )


def table(scores: Scores, wanted) -> str:
    """The wanted metrics as text."""
    s, y = scores.scores, scores.label
    values = metrics.summary(s, y)
    lines = [f"{len(y)} clips, {scores.kind}"]
    for name in wanted:
        if name in values:
            lines.append(f"{name:<12}{100 * values[name]:6.2f} %")
        elif name == "ece":
            chances = s if scores.kind == "probabilities" else metrics.softmax(s)
            lines.append(f"{name:<12}{metrics.ece(chances, y):7.4f}")
        elif name == "confusion":
            lines += ["confusion (rows: truth)", str(metrics.confusion(s, y))]
        elif name == "per_class":
            accuracy, counts = metrics.per_class(s, y), np.bincount(y, minlength=s.shape[1])
            lines += ["per class"]
            lines += [
                f"  {c:<32}{100 * a:6.1f} %  of {n}"
                for c, a, n in zip(scores.class_names(), accuracy, counts)
            ]
        else:
            for groups in (metrics.shots(scores.train_counts), metrics.thirds(scores.train_counts)):
                accuracy = metrics.group_accuracy(s, y, groups)
                lines += [f"{group:<12}{100 * a:6.2f} %" for group, a in accuracy.items()]
    return "\n".join(lines)


if __name__ == "__main__":
    import sys

    run_cli(main, sys.argv[1:])
