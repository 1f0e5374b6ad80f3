"""Text: tokenizers, encoders and their weights, descriptions."""

import gzip
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tiny
from skeljax import check
from skeljax.errors import CheckpointError, ConfigError, DataError
from skeljax.readers import kinetics_classes, ntu_classes, nw_ucla, synthetic
from skeljax.text import actions, encoders, table
from skeljax.text.tokenizers import BytePairs, WordPiece
from skeljax.text.weights import read_weights

MERGES = [("l", "o"), ("lo", "w</w>"), ("e", "r</w>"), ("lo", "w"), ("low", "er</w>")]
PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "un", "##aff", "##able", "cafe", "!", "a"]
CLASSES = {
    "kinetics400": kinetics_classes.CLASSES,
    "ntu120": ntu_classes.CLASSES,
    "nw_ucla": nw_ucla.CLASSES,
    "synthetic": synthetic.CLASSES,
}


def bpe_words(tokenizer, text):
    names = {i: name for name, i in tokenizer.vocabulary.items()}
    return [names[i] for i in tokenizer.ids(text)]


def test_byte_pairs_join_in_the_order_of_the_merges():
    tokenizer = BytePairs(MERGES)
    assert len(tokenizer.vocabulary) == 512 + len(MERGES) + 2
    assert bpe_words(tokenizer, "  LOW &amp;amp; lower") == ["low</w>", "&</w>", "lower</w>"]
    assert bpe_words(tokenizer, "a's 42") == ["a</w>", "'", "s</w>", "4</w>", "2</w>"]
    (row,) = tokenizer(["low"], 5)
    assert row.tolist() == [tokenizer.start, tokenizer.vocabulary["low</w>"], tokenizer.end, 0, 0]
    with pytest.raises(DataError, match="too long"):
        tokenizer(["low low low low"], 5)


def test_byte_pairs_of_both_files(tmp_path):
    lines = "\n".join(["#version", *map(" ".join, MERGES), ""])
    (tmp_path / "merges.txt").write_text(lines)
    with gzip.open(tmp_path / "m.txt.gz", "wt") as file:
        file.write(lines)
    both = [BytePairs.load(tmp_path), BytePairs.load(tmp_path / "m.txt.gz")]
    assert both[0].vocabulary == both[1].vocabulary == BytePairs(MERGES).vocabulary
    with pytest.raises(DataError, match="cannot read CLIP's vocabulary"):
        BytePairs.load(tmp_path / "absent.gz")
    (tmp_path / "merges.txt").write_text("head\na b c\n")
    with pytest.raises(DataError, match="byte-pair"):
        BytePairs.load(tmp_path)


def test_word_pieces():
    tokenizer = WordPiece(PIECES, longest=6)

    def pieces(text):
        return [PIECES[i] for i in tokenizer.ids(text)]

    assert pieces("Unaffable!") == ["[CLS]", "un", "##aff", "##able", "!", "[SEP]"]
    assert pieces("CAFÉ\tunx") == ["[CLS]", "cafe", "[UNK]", "[SEP]"]
    assert pieces("a a a a a a a") == ["[CLS]", *["a"] * 4, "[SEP]"]
    ids, mask = tokenizer(["a", "a!"])
    assert mask.tolist() == [[1, 1, 1, 0], [1, 1, 1, 1]] and ids[0, 3] == 0


def write_safetensors(path, tensors):
    header, body = {"__metadata__": {}}, b""
    for name, (kind, value) in tensors.items():
        start = len(body)
        body += value.tobytes()
        about = {"dtype": kind, "shape": value.shape, "data_offsets": [start, len(body)]}
        header[name] = about
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + body)


def test_safetensors(tmp_path):
    values = np.arange(6).reshape(2, 3) / 4
    kinds = {"F32": np.float32, "F16": np.float16, "BF16": jnp.bfloat16, "I64": np.int64}
    path = tmp_path / "w.safetensors"
    write_safetensors(path, {kind: (kind, values.astype(d)) for kind, d in kinds.items()})
    for kind, found in read_weights(path).items():
        np.testing.assert_array_equal(found.astype(float), values.astype(kinds[kind]).astype(float))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match="cut off"):
        read_weights(path)
    with pytest.raises(CheckpointError, match="convert"):
        read_weights(tmp_path / "clip.pt")


def clip_tensors(width=8, layers=2, out=6):
    """A CLIP text tower of random weights under OpenAI's names and Hugging Face's."""
    rng, vocab = np.random.default_rng(0), 512 + len(MERGES) + 2

    def normal(*shape):
        return rng.normal(size=shape).astype(np.float32) * 0.5

    ours = {
        "token_embedding.weight": normal(vocab, width),
        "positional_embedding": normal(77, width),
        "ln_final.weight": normal(width),
        "ln_final.bias": normal(width),
        "text_projection": normal(width, out),
    }
    theirs = {
        "text_model.embeddings.token_embedding.weight": ours["token_embedding.weight"],
        "text_model.embeddings.position_embedding.weight": ours["positional_embedding"],
        "text_model.final_layer_norm.weight": ours["ln_final.weight"],
        "text_model.final_layer_norm.bias": ours["ln_final.bias"],
        "text_projection.weight": ours["text_projection"].T,
        "vision_model.embeddings.class_embedding": normal(width),
    }
    pairs = {
        "ln_1": ("layer_norm1", width), "ln_2": ("layer_norm2", width),
        "attn.out_proj": ("self_attn.out_proj", width, width),
        "mlp.c_fc": ("mlp.fc1", 4 * width, width), "mlp.c_proj": ("mlp.fc2", width, 4 * width),
    }  # fmt: skip
    for i in range(layers):
        a, b = f"transformer.resblocks.{i}", f"text_model.encoder.layers.{i}"
        for name, (other, *shape) in pairs.items():
            ours[f"{a}.{name}.weight"] = theirs[f"{b}.{other}.weight"] = normal(*shape)
            ours[f"{a}.{name}.bias"] = theirs[f"{b}.{other}.bias"] = normal(shape[0])
        for kind, shape in (("weight", (3 * width, width)), ("bias", (3 * width,))):
            ours[f"{a}.attn.in_proj_{kind}"] = joint = normal(*shape)
            for name, third in zip("qkv", np.split(joint, 3)):
                theirs[f"{b}.self_attn.{name}_proj.{kind}"] = third
    return ours, theirs


def clip_folder(folder, tensors):
    folder.mkdir()
    np.savez(folder / "model.npz", **tensors)
    (folder / "merges.txt").write_text("\n".join(["#", *map(" ".join, MERGES)]))
    return folder


@pytest.fixture
def clip_folders(tmp_path):
    names = ("openai", "hf")
    return [clip_folder(tmp_path / name, given) for name, given in zip(names, clip_tensors())]


def test_clip_weights_by_both_names_are_one_encoder(clip_folders):
    first, second = (encoders.make_encoder("clip", str(folder)) for folder in clip_folders)
    texts = ["low", "lower low!"]
    np.testing.assert_allclose(first.features(texts), second.features(texts), atol=1e-5)
    # what stands behind the end is never seen
    whole = first.tokenizer(texts)
    assert first.tokens(texts).shape[1] < whole.shape[1]
    np.testing.assert_allclose(first.encode(first.params, whole), first.features(texts), atol=1e-5)
    assert first.features(texts).shape == (2, 6)


def test_a_clip_without_its_tensors_or_words_is_refused(clip_folders, tmp_path):
    folder = clip_folders[0]
    (folder / "merges.txt").write_text("#\nl o\n")
    with pytest.raises(ConfigError, match="not that of the weights"):
        encoders.make_encoder("clip", str(folder))
    np.savez(folder / "model.npz", x=np.zeros(2))
    with pytest.raises(CheckpointError, match="no weights of a CLIP"):
        encoders.make_encoder("clip", str(folder))
    with pytest.raises(CheckpointError, match="there are no weights"):
        encoders.make_encoder("bert", str(tmp_path / "absent"))
    with pytest.raises(ConfigError, match="needs a file"):
        encoders.make_encoder("clip")
    with pytest.raises(ConfigError, match="did you mean 'bert'"):
        encoders.make_encoder("brt", "x")


def bert_folder(folder, width=8):
    rng = np.random.default_rng(0)
    shapes = {
        "embeddings.word_embeddings": (len(PIECES), width),
        "embeddings.position_embeddings": (32, width),
        "embeddings.token_type_embeddings": (2, width),
    }
    layer = "encoder.layer.0"
    linear = {f"{layer}.attention.self.{n}": (width, width) for n in ("query", "key", "value")}
    linear |= {f"{layer}.attention.output.dense": (width, width)}
    linear |= {f"{layer}.intermediate.dense": (16, width), f"{layer}.output.dense": (width, 16)}
    norms = ["embeddings.LayerNorm", f"{layer}.attention.output.LayerNorm"]
    linear |= dict.fromkeys([*norms, f"{layer}.output.LayerNorm"], (width,))
    tensors = {f"bert.{n}.weight": rng.normal(size=s) for n, s in (shapes | linear).items()}
    tensors |= {f"bert.{n}.bias": rng.normal(size=s[0]) for n, s in linear.items()}
    folder.mkdir(exist_ok=True)
    np.savez(folder / "model.npz", **{n: v.astype(np.float32) for n, v in tensors.items()})
    (folder / "vocab.txt").write_text("\n".join(PIECES))
    (folder / "config.json").write_text('{"num_attention_heads": 2}')
    return folder


def test_a_sentence_does_not_see_the_padding_of_others(tmp_path):
    encoder = encoders.make_encoder("bert", str(bert_folder(tmp_path / "bert")))
    alone, beside = encoder.features(["a!"])[0], encoder.features(["a!", "a a a a a a a a"])[0]
    np.testing.assert_allclose(alone, beside, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(alone), 1, atol=1e-6)


def test_an_encoder_of_another_pooling_is_refused(tmp_path):
    folder = bert_folder(tmp_path / "bert")
    (folder / "1_Pooling").mkdir()
    about = folder / "1_Pooling" / "config.json"
    modes = dict.fromkeys(("cls_token", "mean_tokens", "max_tokens"), False)
    for chosen, good in (("mean_tokens", True), ("cls_token", False), ("max_tokens", False)):
        told = {f"pooling_mode_{name}": on for name, on in (modes | {chosen: True}).items()}
        about.write_text(json.dumps(told | {"include_prompt": True}))
        if good:
            encoders.make_encoder("bert", str(folder))
            continue
        with pytest.raises(ConfigError, match=f"by their mean[^$]*pooling_mode_{chosen}"):
            encoders.make_encoder("bert", str(folder))


def test_features_are_kept_by_strings_and_weights(tmp_path, monkeypatch):
    monkeypatch.setattr(encoders, "CACHE", str(tmp_path / "cache"))
    encoder = encoders.make_encoder("bert", str(bert_folder(tmp_path / "bert")))

    def traced():  # as inside a method's init
        return jnp.asarray(encoders.cached_features(encoder, ["a", "a!"]))

    first = jax.jit(traced)()
    monkeypatch.setattr(encoder, "features", lambda strings: pytest.fail("encoded again"))
    np.testing.assert_array_equal(encoders.cached_features(encoder, ["a", "a!"]), first)
    with pytest.raises(pytest.fail.Exception):
        encoders.cached_features(encoder, ["a", "a"])
    encoder.identity = "other weights"
    with pytest.raises(pytest.fail.Exception):
        encoders.cached_features(encoder, ["a", "a!"])


def test_the_embedded_table_has_every_shipped_text_and_knows_its_sense():
    told = [action for name in actions.shipped() for action in actions.load_actions(name)]
    embedded = encoders.make_encoder("embedded")
    assert np.isfinite(embedded.features(table.strings_of(told))).all()  # else: make it anew
    with pytest.raises(DataError, match="no features for a text"):
        embedded.features(["sit down", "nobody wrote this"])
    classes = actions.load_actions("ntu120")

    def unit(texts):
        found = embedded.features(texts)
        return found / np.linalg.norm(found, axis=1, keepdims=True)

    names, sentences = unit([a.name for a in classes]), unit([a.sentence for a in classes])
    assert np.mean((sentences @ names.T).argmax(1) == np.arange(120)) > 0.4  # chance: 0.008


def test_a_table_is_read_by_strings(tmp_path):
    np.savez(tmp_path / "t.npz", strings=np.array(["one", "two"]), features=np.eye(2))
    found = encoders.make_encoder("table", str(tmp_path / "t.npz")).features(["two", "one", "two"])
    np.testing.assert_array_equal(found, [[0, 1], [1, 0], [0, 1]])
    np.savez(tmp_path / "t.npz", strings=np.array(["one"]), features=np.eye(2))
    with pytest.raises(DataError, match="do not belong together"):
        encoders.make_encoder("table", str(tmp_path / "t.npz"))


@pytest.mark.parametrize("name", CLASSES)
def test_shipped_descriptions_are_whole(name):
    told = actions.load_actions(name)
    assert actions.faults(told, CLASSES[name]) == []
    assert [action.name for action in told] == list(CLASSES[name])
    assert actions.for_classes("", CLASSES[name]) == told


def test_classes_find_their_description_by_name_or_synonym():
    first, second = actions.for_classes("ntu120", ["Put on a hat/cap", "jump up"])
    assert (first.name, second.name) == ("put on a hat or cap", "jump up")
    with pytest.raises(ConfigError, match="'juggling'"):
        actions.for_classes("ntu120", ["drop", "juggling"])
    with pytest.raises(ConfigError, match="none of the shipped"):
        actions.for_classes("", ["juggling"])
    with pytest.raises(ConfigError, match="did you mean 'ntu120'"):
        actions.for_classes("ntu12", ["drop"])


def test_faults_of_descriptions(tmp_path):
    body = "\n".join(f'{limb} = "{limb} moves"' for limb in actions.LIMBS)
    text = f'[[action]]\nname = "one"\nsynonyms = ["uno", "One!"]\n{body}\n'
    text += '[[action]]\nname = "two"\nsynonyms = ["uno"]\nsentence = "Two."\n'
    (tmp_path / "a.toml").write_text(text)
    found = actions.faults(actions.load_actions(str(tmp_path / "a.toml")), ["one", "two", "six"])
    for fault in (
        "one: no sentence", "one: a synonym stands twice", "two: nothing about the parts",
        "two and one share the name 'uno'", "no description of 'six'",
    ):  # fmt: skip
        assert any(line.startswith(fault) for line in found), fault
    (tmp_path / "a.toml").write_text('[[action]]\nname = "one"\nhed = "x"\n')
    with pytest.raises(ConfigError, match="did you mean 'head'"):
        actions.load_actions(str(tmp_path / "a.toml"))
    (tmp_path / "a.toml").write_text('[[action]]\nname = "one"\nhead = "x"\n')
    with pytest.raises(ConfigError, match="nothing for hand, arm"):
        actions.load_actions(str(tmp_path / "a.toml"))


def test_line_formats(tmp_path):
    (tmp_path / "parts.txt").write_text("run;h; hd;ar;hp; lg;ft\nhop;a;b;c;d;e;f\n")
    (tmp_path / "names.txt").write_text("run, jog\nhop,skip,leap\n")
    first, second = actions.load_actions(f"{tmp_path}/parts.txt,{tmp_path}/names.txt")
    assert first.whole("synonym") == ("run", " jog") and second.whole("name") == ("hop",)
    assert first.part("hand", fused=True) == "run hd,ar"
    assert first.part("hand") == "run, hd, ar" and first.part("foot") == "run, lg, ft"
    of_label = actions.for_classes(f"{tmp_path}/parts.txt,{tmp_path}/names.txt", ["anything"])
    assert of_label == (first,)
    (tmp_path / "parts.txt").write_text("run;h;hd\n")
    with pytest.raises(ConfigError, match="7 pieces"):
        actions.load_actions(f"{tmp_path}/parts.txt")


def test_check_compares_descriptions_with_a_dataset(tmp_path, capsys):
    data, mine = tiny.dataset(tmp_path / "data"), str(tiny.METHODS["lst"]["descriptions"])
    assert check.main([str(data), "--descriptions", mine]) == 0
    assert "4 actions described" in capsys.readouterr().out
    assert check.main([str(data), "--descriptions", "nw_ucla"]) == 1
    assert "no description of 'class3'" in capsys.readouterr().out


def test_check_takes_line_files_by_the_order_of_the_labels(tmp_path, capsys):
    data, lines = tiny.dataset(tmp_path / "data"), [f"name{i};h;hd;ar;hp;lg;ft" for i in range(6)]
    files = [tmp_path / "parts.txt", tmp_path / "names.txt"]

    def check_lines(parts, names):
        for file, text in zip(files, (parts, names)):
            file.write_text("\n".join(text))
        found = check.main([str(data), "--descriptions", ",".join(map(str, files))])
        return found, capsys.readouterr().out

    names = [f"name{i}, other, other" for i in range(6)]  # no sentences, synonyms that repeat
    assert check_lines(lines, names)[0] == 0  # and more lines than the four classes
    found, said = check_lines(lines[:3], names[:3])
    assert found == 1 and "3 lines of text for 4 classes" in said
    found, said = check_lines([lines[0], "name1;h;;ar;hp;lg;ft", *lines[2:]], names)
    assert found == 1 and "line 2 (name1): an empty text" in said
    assert check_lines(lines, [*names[:3], "name3,,b", *names[4:]])[0] == 1
    assert check_lines([*lines[:5], "name5;;;;;;"], names)[0] == 0  # of no class here
