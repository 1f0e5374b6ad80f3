"""The configs of the long-tailed bench: what their words mean, and what they say without data."""

import importlib.util

import pytest

import runs
import tiny
from skeljax import job, papers, presets
from skeljax.data.recipes import num_clips
from skeljax.data.steps import TemporalFlip
from skeljax.errors import ConfigError, DataError
from skeljax.fuse import PRESETS
from skeljax.losses import LOSSES


def config(name, text=""):
    path = runs.REPO / "configs" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.get_config(text)


def built(made, layout="ntu25"):
    facts = job.training_facts(made, tiny.store(8, layout=layout), 1)
    return job.build(made, facts)


@pytest.mark.parametrize("name", ["ntu60_brl", "ntu120_brl"])
def test_brl_as_published(name):
    made = config(name)
    assert (made.model.name, made.method.name, made.loss.name) == ("stgcnpp", "brl", "action_aware")
    assert made.data.sampler == "class_specific" and made.data.repeat == 5
    assert made.data.layout == "ntu25_pyskl" and made.data.prepare == "prenorm3d"
    assert made.data.train == "train_lt100" and made.data.test == "test"
    assert (made.train.epochs, made.train.batch) == (24, 16)
    assert made.optim.base_lr * made.train.batch / made.optim.base_batch == 0.0125
    assert built(made).method.loss.first_epoch == 19
    assert num_clips(built(made).test_recipe) == 10
    assert not made.loss.published and made.method.aligned
    exact = config(name, "as_published")
    assert exact.loss.published and exact.method.shared and not exact.method.aligned
    assert exact.data.prepare == "prenorm3d_float16"
    assert config("nwucla_brl", "as_published").data.prepare == "none"


@pytest.mark.parametrize(
    "name, words, best",
    [
        ("ntu60_brl", "all", True), ("ntu120_brl", "plain", True), ("kinetics_brl", "all", True),
        ("ntu60_stgcnpp", "plain", True), ("nwucla_brl", "", True), ("nwucla_brl", "cpu", False),
        ("synthetic_brl", "", False),
    ],
)  # fmt: skip
def test_the_best_epoch_is_looked_for_in_all_and_tested(name, words, best):
    made = config(name, words)
    assert made.train.test_best == best and made.train.test_last
    assert not best or made.train.validate_every == 1


def test_the_baselines_as_published():
    made = config("ntu60_brl", "plain,aagcn,xview")
    assert (made.model.name, made.method.name, made.loss.name) == (
        "aagcn_pyskl",
        "supervised",
        "ce",
    )
    assert (made.recipe.name, made.recipe.length, made.train.epochs) == ("pyskl", 100, 16)
    assert made.data.sampler == "uniform" and made.data.dataset == "ntu60/xview_pyskl"


def test_bfl_is_class_balanced():
    made = config("ntu60_brl", "bfl,msg3d,skip,lt10")
    assert (made.model.name, made.method.name) == ("msg3d", "brl")
    assert (made.loss.name, made.stream, made.data.train) == (
        "class_balanced",
        "skip",
        "train_lt10",
    )
    assert config("ntu60_brl", "full").data.train == "train"


@pytest.mark.parametrize("name", LOSSES)
def test_any_loss(name):
    made = config("nwucla_brl", f"{name},cpu")
    assert made.method.name == "supervised" and made.data.sampler == "uniform"
    assert type(built(made, "ucla20").method.loss) is LOSSES[name]


def test_a_loss_beside_a_method_takes_the_place_of_its_own():
    made = config("ntu60_brl", "brl,ldam")
    assert (made.method.name, made.data.sampler) == ("brl", "class_specific")
    assert type(built(made).method.loss) is LOSSES["ldam"]
    assert made.loss.beta == 0.999999, "LDAM's own"
    assert config("ntu60_brl", "plain,ldam").loss.name == "ldam"


@pytest.mark.parametrize("name", ["nwucla_brl", "synthetic_brl", "kinetics_brl"])
def test_the_slips_are_a_word_of_every_config(name):
    made = config(name, "as_published")
    assert made.loss.published and made.method.shared and not made.method.aligned


@pytest.mark.parametrize(
    "name", ["ntu60_frhead", "ntu120_ctrgcn", "nwucla_frhead", "nwucla_ctrgcn"]
)
def test_the_head_and_its_baseline_take_long_tails_by_their_words(name):
    made = config(name, "lt10,class_specific,action_aware,stgcnpp")
    assert (made.data.train, made.data.sampler) == ("train_lt10", "class_specific")
    assert (made.loss.name, made.model.name) == ("action_aware", "stgcnpp")
    plain = config(name)
    assert (plain.data.train, plain.data.sampler, plain.loss.name) == ("train", "uniform", "")
    assert plain.train.test_best, "published numbers are those of the best epoch"


@pytest.mark.parametrize("protocol", ["xsub", "xview"])
def test_the_baseline_lengthens_bones_as_the_head(protocol):
    for dataset in ("ntu60", "ntu120"):
        protocol = protocol if dataset == "ntu60" else protocol.replace("xview", "xset")
        for words, scaled in ((protocol, True), (f"{protocol},no_bone_scale", False)):
            made = config(f"{dataset}_ctrgcn", words)
            assert (made.recipe.bone_scale, made.train.epochs) == (scaled, 65)
        assert config(f"{dataset}_frhead", protocol).recipe.bone_scale


@pytest.mark.parametrize("words, epochs", [("", 65), ("tcagcn", 75), ("tcagcn,cpu", 180)])
def test_the_baseline_on_nw_ucla_is_trained_as_long_as_the_head(words, epochs):
    for name in ("nwucla_ctrgcn", "nwucla_frhead"):
        assert config(name, words).train.epochs == epochs
    assert config("nwucla_frhead", "readme,tcagcn").train.epochs == 65


@pytest.mark.parametrize("name", ["ntu60_frhead", "nwucla_frhead"])
def test_the_head_refuses_mixed_clips_and_says_why(name):
    with pytest.raises(ConfigError, match="no class to move a prototype of"):
        config(name, "joint, brl")


@pytest.mark.parametrize("name, layout", [("nwucla_brl", "ucla20"), ("synthetic_brl", "ntu25")])
def test_clips_run_backwards_if_asked_to(name, layout):
    made = config(name)
    assert TemporalFlip(0.5) not in built(made, layout).train_recipe
    made.recipe.reverse = 0.5
    turned = built(made, layout)
    assert TemporalFlip(0.5) in turned.train_recipe
    assert TemporalFlip(0.5) not in turned.test_recipe


@pytest.mark.parametrize("backbone", papers.LONG_TAIL["backbone"])
@pytest.mark.parametrize("name", ["ntu60_brl", "nwucla_brl", "kinetics_brl", "synthetic_brl"])
def test_any_backbone(name, backbone):
    made = config(name, backbone)
    layout = {"nwucla_brl": "ucla20", "kinetics_brl": "coco17"}.get(name, "ntu25")
    assert type(built(made, layout).method.loss) is LOSSES["action_aware"]


def test_rows():
    six = config("ntu120_brl", "all").row
    assert six.streams == presets.STREAMS and six.rule == "probabilities"
    for name, preset in (("two", "brl-2"), ("four", "brl-4"), ("six", "brl-6")):
        assert six.fusions[name].to_dict() == PRESETS[preset].weights
    four = config("kinetics_brl", "all").row
    assert four.streams == ("joint", "bone", "joint_motion", "bone_motion")
    assert four.fusions.four.to_dict() == PRESETS["k400-4"].weights
    assert config("ntu60_stgcnpp", "all").row.streams == four.streams


def test_kinetics_switches_at_epoch_129_and_mirrors():
    made = config("kinetics_brl")
    assert built(made, "coco17").method.loss.first_epoch == 129
    epochs = {"bfl": 129, "ldam": 129, "inverse_frequency": 129, "equalization": 129, "kps": 100}
    for word, epoch in epochs.items():
        other = config("kinetics_brl", word)
        assert built(other, "coco17").method.loss.first_epoch == epoch
    assert made.recipe.mirror and not made.recipe.rotation and made.recipe.length == 100
    assert config("kinetics_brl", "plain").recipe.flip == 0.5


def test_strong_augmentation():
    made = config("ntu60_stgcnpp", "strong_aug,bone")
    assert (made.recipe.name, made.recipe.scale, made.recipe.rotation) == ("brl", 0.1, 0.3)
    assert (made.recipe.flip, made.recipe.length) == (0, 100)
    assert config("ntu120_stgcnpp", "plain").recipe.name == "pyskl"


@pytest.mark.parametrize(
    "name, dataset",
    [
        ("ntu60_brl", "ntu60/xsub_pyskl"),
        ("ntu120_stgcnpp", "ntu120/xsub_pyskl"),
        ("nwucla_brl", "nw_ucla"),
        ("kinetics_brl", "kinetics_skeleton/hrnet"),
    ],
)
def test_without_the_data_the_command_that_makes_it_is_told(name, dataset, tmp_path):
    made = config(name)
    made.data.dir = str(tmp_path)
    with pytest.raises(DataError, match=f"skeljax prepare {dataset} --source PATH"):
        job.load_stores(made)


def test_another_layout_of_the_same_joints(tmp_path):
    folder = tiny.dataset(tmp_path / "data", train=8, test=4, layout="ntu25")
    made = tiny.config(folder)
    made.data.layout = "ntu25_pyskl"
    stores = job.load_stores(made)
    assert {stores.train.layout, stores.test.layout} == {"ntu25_pyskl"}
    made.data.layout = "coco17"
    with pytest.raises(ConfigError, match="this layout does not describe the data"):
        job.load_stores(made)
