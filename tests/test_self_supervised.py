"""From a pre-training folder to every protocol, through the trainer itself."""

import json
import pathlib
from types import SimpleNamespace

import jax
import numpy as np
import pytest

import runs
import tiny
from skeljax import job, presets, pretraining_table, row, rundir, self_supervised, train
from skeljax.data.recipes import contrastive, device_data
from skeljax.errors import ConfigError
from skeljax.layouts import get_layout
from skeljax.sharding import make_mesh


def config(folder, method, **fields):
    """The smallest encoder, on tiny clips resized to eight frames."""
    made = tiny.config(folder, method, **fields)
    presets.use_recipe(made, "contrastive", frames=8)
    presets.use_model(
        made, "stgcn_contrastive", width=4, depth=1, grow=(1,), last_width=8, dropout=0.1
    )
    return made


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    """(data, run folder, result) of a short pre-training."""
    folder = tmp_path_factory.mktemp("pretrained")
    data = tiny.dataset(folder / "data")
    result = runs.run(config(data, "skelemixclr"), folder / "run")
    return data, folder / "run", result


def test_pretraining_is_judged_by_its_neighbours(pretrained):
    _, run, result = pretrained
    saved = json.loads((run / "result.json").read_text())
    assert saved["protocol"] == "knn" and 0 <= saved["top1"] <= 1
    assert saved["top1"] == result["top1"]
    rows = runs.rows(run)
    assert rows[-1]["test/top1"] == pytest.approx(saved["top1"], abs=1e-6)
    assert (run / "report" / "collapse.png").is_file()
    watched = {"train/feature_std", "train/alignment", "train/uniformity", "train/queue_age"}
    assert watched <= set(rows[0])


@pytest.mark.slow  # half a minute
def test_evaluate_judges_by_neighbours_too(pretrained, capsys):
    from skeljax import evaluate

    _, run, result = pretrained
    options = evaluate.parser().parse_args([str(run), "--devices", "1"])
    scores = evaluate.evaluate_run(options)
    assert (scores.scores.argmax(1) == scores.label).mean() == pytest.approx(result["top1"])


def probe(pretrained, workdir, method, **fields):
    """A run that starts from the folder, without augmentation unless `fields` say so."""
    data, run, _ = pretrained
    made = config(data, method, init_from=str(run))
    for field, value in {"amplitude": 0.0, "ratio": 0, **fields}.items():
        made.recipe[field] = value
    return runs.run(made, workdir)


@pytest.mark.parametrize("method", ["linear", pytest.param("finetune", marks=pytest.mark.slow)])
def test_a_protocol_starts_from_the_folder(method, pretrained, tmp_path):
    result = probe(pretrained, tmp_path / "run", method)
    assert result["protocol"] != "knn" and result["method"] == method
    before, after = (runs.variables(folder) for folder in (pretrained[1], tmp_path / "run"))
    stats = [tree["extra"]["batch_stats"] for tree in (before, after)]
    assert runs.largest_difference(*stats) == 0, "evaluation mode"
    moved = runs.largest_difference(before["params"]["backbone"], after["params"]["backbone"])
    assert (moved == 0) == (method == "linear"), "linear evaluation leaves the encoder alone"


@pytest.mark.slow  # half a minute
def test_features_of_a_frozen_encoder_are_computed_once(pretrained, tmp_path):
    """Where nothing is drawn at random; else in every step, here with a crop that moves nothing."""
    for name, ratio in (("known", 0), ("anew", 10**6)):
        probe(pretrained, tmp_path / name, "linear", ratio=ratio)
    known, anew = (runs.variables(tmp_path / name)["params"] for name in ("known", "anew"))
    assert runs.largest_difference(known, anew) < 1e-5


def test_an_encoder_of_another_graph_is_refused(pretrained, tmp_path, capsys):
    """All of its arrays fit, so that a wrong word after the colon went unnoticed."""
    data, run, _ = pretrained
    made = config(data, "linear", init_from=str(run), stream="bone")
    made.recipe.frames = 4
    warm_started(made)
    told = capsys.readouterr().out
    assert "stream was 'joint' there, is 'bone' here" in told
    assert "recipe.frames was 8 there, is 4 here" in told
    made.model.name, made.model.graph = "stgcn_crosclr", "distance"
    with pytest.raises(ConfigError, match=r"another backbone[^$]*graph 'direction'[^$]*'distance'"):
        runs.run(made, tmp_path / "run")
    assert not (tmp_path / "run" / "run.json").exists(), "the right word may have the folder"
    made = config(data, "linear", init_from=str(run))
    made.model.graph, made.model.last_width = "distance", 6
    warm_started(made)  # not all of its arrays: a transfer
    assert "model.graph was 'direction' there, is 'distance' here" in capsys.readouterr().out


def test_three_streams_of_crosclr_are_evaluated_by_three_heads():
    """By the same word; two heads judged them silently."""
    three = ("joint", "motion", "bone")
    for name in ("linear", "knn"):
        assert self_supervised.protocol("ntu60", name, "crosclr3,xview").method.streams == three
    before = self_supervised.pretraining("ntu60", "crosclr", "crosclr3,xview").method
    assert before.streams == three and before.queue == 32768
    now = self_supervised.protocol("ntu60", "linear", "crosclr").method
    now, before = ({**each, "streams": list(each.streams)} for each in (now, before))
    for old in (before, {"name": "skeletonclr"}):
        with pytest.raises(ConfigError, match=r"other streams[^$]*crosclr3"):
            rundir.check_streams(old, now)
    for old, new in ((before, before), (before, {"name": "linear"}), ({"name": "linear"}, before)):
        rundir.check_streams(old, new)


@pytest.mark.parametrize("method", ["crosclr", "crosclr_linear"])
def test_crosclr_takes_joints_alone(method):
    made = config("unused", method, stream="bone")
    with pytest.raises(ConfigError, match="derives its streams"):
        job.build(made, job.training_facts(made, tiny.store(8), 1))


@pytest.mark.slow  # a minute
def test_crosclr_is_evaluated_by_a_head_a_stream(tmp_path):
    data = tiny.dataset(tmp_path / "data")
    assert runs.run(config(data, "crosclr"), tmp_path / "pre")["protocol"] == "knn"
    made = config(data, "linear", init_from=str(tmp_path / "pre"))
    presets.use_method(made, "crosclr_linear")
    made.recipe.amplitude, made.recipe.ratio = 0.0, 0
    assert runs.run(made, tmp_path / "run")["method"] == "crosclr_linear"
    before, after = (runs.variables(tmp_path / name)["params"] for name in ("pre", "run"))
    for one, two in ((before, after), (before["motion"], after["motion"])):
        assert runs.largest_difference(one["backbone"], two["backbone"]) == 0
    heads = (after["head"], after["heads"]["motion"])
    assert runs.largest_difference(*heads) > 0, "each head learns by itself"


def warm_started(made, layout="ucla20"):
    """What of a config's state comes of init_from; the rest has shapes alone."""
    store = tiny.store(8, layout=layout)
    built = job.build(made, job.training_facts(made, store, 1))
    joints = built.facts.layout.num_joints
    views = dict.fromkeys(built.method.views, np.zeros((2, 1, 8, joints, 3), np.float32))
    params, extra = jax.eval_shape(built.method.init, jax.random.key(0), views)
    stores = job.Stores(store, None, store)
    about = rundir.start(pathlib.Path("none"), made, built.facts, stores)
    return rundir.warm_start(about, SimpleNamespace(params=params, extra=extra), make_mesh("1"))


@pytest.mark.parametrize("method", ["skelemixclr", "linear"])
def test_transfer_to_another_skeleton(method, pretrained):
    """The convolutions come along; what there is of each joint starts anew."""
    found = warm_started(config("unused", method, init_from=str(pretrained[1])), "ntu25")
    theirs = dict(jax.tree_util.tree_leaves_with_path(runs.variables(pretrained[1])))
    encoder, fresh = 0, set()
    for path, leaf in jax.tree_util.tree_leaves_with_path(found):
        name = jax.tree_util.keystr(path, simple=True, separator=".")
        if "backbone" not in name and "batch_stats" not in name:
            continue
        if isinstance(leaf, jax.ShapeDtypeStruct):
            fresh.add("data_bn" if "data_bn" in name else name.split(".")[-1])
        else:
            np.testing.assert_array_equal(leaf, theirs[path], name)
            encoder += 1
    assert fresh == {"data_bn", "importance"} and encoder > 5


def test_what_of_a_pretraining_is_unused_is_told_by_branch(pretrained, capsys):
    """Its key encoder, queue and projection are a line, not a page."""
    warm_started(config("unused", "linear", init_from=str(pretrained[1])), "ucla20")
    said = capsys.readouterr().out.split("unused ")[1]
    whole = runs.variables(pretrained[1])
    keys = len(jax.tree.leaves(whole["extra"]["key"]))
    assert keys > 20 and f"extra.key ({keys} arrays)" in said
    assert "params.projection (" in said and "extra.queue (" in said
    assert "extra.key." not in said and len(said) < 500


def test_memory_of_queue_and_key_encoder():
    made = self_supervised.pretraining("ntu60", "skeletonclr")
    built = job.build(made, job.training_facts(made, tiny.store(8, layout="ntu25"), 1))
    views = {view: np.zeros((2, 1, 50, 25, 3), np.float32) for view in built.method.views}
    params, extra = jax.eval_shape(built.method.init, jax.random.key(0), views)

    def size(tree):
        return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))

    assert size(extra["queue"]) == 32768 * 128 * 4 == 16_777_216
    assert size(extra["key"]["params"]) == size(params) == 920_068 * 4  # 3.7 MB


def test_no_epoch_judges_what_it_is_given(pretrained, tmp_path):
    data, run, result = pretrained
    made = config(data, "skelemixclr", init_from=str(run), train__epochs=0)
    assert runs.run(made, tmp_path / "run")["top1"] == result["top1"]


def test_a_share_of_the_labels(pretrained):
    data, _, _ = pretrained
    stores = job.load_stores(config(data, "finetune", data__labelled=0.2))
    assert stores.train.class_counts.tolist() == [2, 2, 2, 2]
    assert len(stores.test) == 18
    stores = job.load_stores(config(data, "finetune", data__labelled=0.01))
    assert stores.train.class_counts.tolist() == [1, 1, 1, 1], "a share of less than one clip"


def test_views_of_several_lengths():
    made = tiny.config("unused", "skelemixclr")
    presets.use_recipe(made, "contrastive", frames=16, more_frames=(8,))
    swaps = ((2, 3, 7, 11, 1, 1.0), (2, 3, 7, 11, 1, 1.0))
    presets.use_method(made, "skelemixclr", swaps=swaps, queue=32)
    store = tiny.store(8)
    built = job.build(made, job.training_facts(made, store, 1))
    data = device_data(store, *built.train_recipes)
    index = np.arange(4, dtype=np.int32)
    shapes = jax.eval_shape(lambda: train.make_batch(built, data, index, jax.random.key(0)))
    assert {view: shapes[view].shape[2] for view in built.method.views} == {
        "query": 16, "key": 16, "query1": 8,
    }  # fmt: skip
    made.method.swaps = swaps[:1]
    with pytest.raises(ConfigError, match=r"recipe\.more_frames[^$]*method has 1 query"):
        job.build(made, job.training_facts(made, store, 1))


def test_augmentation_that_is_switched_off():
    layout = get_layout("ucla20")
    for off in (0, -1):  # spec 1.3
        plain, _ = contrastive(layout, amplitude=off, ratio=off)
        assert [type(step).__name__ for step in plain] == ["Whole", "ToStream"]
    for field, length in (("frames", -1), ("window", -8), ("more_frames", (0,))):
        with pytest.raises(ConfigError, match=rf"recipe\.{field}"):
            contrastive(layout, **{field: length})


@pytest.mark.parametrize("share", [0.0, -0.5, 10])
def test_a_share_of_the_labels_that_is_none(share, tmp_path):
    with pytest.raises(ConfigError, match=r"data\.labelled"):
        job.load_training(config(tiny.dataset(tmp_path), "finetune", data__labelled=share))


def test_words_after_the_colon():
    made = self_supervised.protocol("ntu60", "semi", "xview,semi1,skeletonclr,bone")
    assert made.data.dataset == "ntu60/xview_listed" and made.stream == "bone"
    assert made.data.labelled == 0.01 and made.data.prepare == "contrastive50"
    assert made.recipe.amplitude == 0 and made.recipe.ratio == 0
    with pytest.raises(ConfigError, match="derives its streams"):
        self_supervised.pretraining("ntu60", "crosclr", "bone")
    for source in self_supervised.SOURCES.values():
        assert source.queue % source.batch == 0


def test_the_parts_of_the_table(tmp_path):
    made = self_supervised.pretraining("nwucla", "skelemixclr", "all,cpu")
    made.train.epochs, made.seed, made.method.queue = 3, 7, 128 * 4
    (folder, still), (_, floor) = pretraining_table.parts(made, tmp_path, "random").items()
    assert still.optim.base_lr == 0 and still.train.epochs == 3 and still.seed == 7
    assert floor.init_from == str(folder) and floor.seed == 7
    first, linear = pretraining_table.parts(made, tmp_path, "skeletonclr").values()
    assert first.method.name == "skeletonclr" and first.train.epochs == 3
    assert first.method.queue == 512 and not first.row.table
    assert linear.init_from == str(tmp_path / "skeletonclr" / "pretraining")
    assert linear.train.epochs == 40 and linear.seed == 7 and linear.optim.base_lr == 3.0
    assert linear.model == first.model and linear.data.prepare == first.data.prepare


def test_a_table_is_the_same_by_any_spelling_of_its_folder(tmp_path, monkeypatch):
    """Its linear runs were refused as those of another config."""
    made, seen = self_supervised.pretraining("nwucla", "skelemixclr", "all,cpu"), []
    monkeypatch.setattr(pretraining_table, "train_each", lambda flat, *_: seen.append(flat))
    monkeypatch.chdir(tmp_path)
    for spelling in ("table", tmp_path / "table", tmp_path / "other" / ".." / "table"):
        pretraining_table.train_table(made, spelling, None, None)
    told = [[(str(f), one.init_from) for f, one in flat.items()] for flat in seen]
    assert told[0] == told[1] == told[2] and str(tmp_path) in str(told[0])


def test_what_no_table_can_be_made_of_is_refused_at_once(tmp_path):
    with pytest.raises(ConfigError, match="of one stream"):
        self_supervised.pretraining("nwucla", "skelemixclr", "all,3s")
    made = self_supervised.pretraining("nwucla", "skelemixclr", "all,cpu")
    made.train.test_last = False
    with pytest.raises(ConfigError, match="tested runs"):
        pretraining_table.train_table(made, tmp_path, None, None)


def test_the_best_epoch_is_that_of_the_part_held_out(tmp_path):
    made = self_supervised.pretraining("nwucla", "skelemixclr", "all,cpu")
    made.data.val_by = "subject"
    for name, top1 in (("result", 0.5), ("result_best_val", 0.25)):
        (tmp_path / f"{name}.json").write_text(json.dumps({"top1": top1}))
    found = pretraining_table.row(made, "random", [tmp_path, tmp_path])
    assert (found["linear"], found["linear_best"]) == (0.5, 0.25)


def test_published_numbers_stand_beside_the_joint_stream_alone(tmp_path):
    for name in ("result", "result_best_test"):
        (tmp_path / f"{name}.json").write_text(json.dumps({"top1": 0.5}))
    for words, published in (("all", 80.7), ("all,bone", None)):
        made = self_supervised.pretraining("ntu60", "skelemixclr", words)
        found = pretraining_table.row(made, "skelemixclr_plus", [tmp_path, tmp_path])
        assert found["published"] == published


def test_the_table_is_told_in_percent():
    found = {"knn": 0.5, "linear": 0.625, "linear_best": 0.75, "published": 68.3}
    text = pretraining_table.table({"skeletonclr": found, "random": {**found, "published": None}})
    _, first, second = text.splitlines()
    assert first.split() == ["skeletonclr", "50.00", "62.50", "75.00", "68.3"]
    assert second.split()[-1] == "-"


def test_three_streams_start_each_from_its_own_folder():
    made = self_supervised.protocol("ntu60", "linear", "skelemixclr,xsub,3s")
    assert made.row.streams == self_supervised.THREE
    made.init_from = "runs/pre/{stream}"
    assert row.single(made, "bone").init_from == "runs/pre/bone"
