"""BRL on Kinetics-Skeleton, which is imbalanced by nature: poses of HRNet, 17 joints in the image.

    skeljax prepare kinetics_skeleton/hrnet --source k400_hrnet.pkl --source kpfiles.zip
    python -m skeljax.main --config configs/kinetics_brl.py:all --workdir runs/kinetics_brl

After the colon: a stream, or `all` for the four of the published row, fused; backbone, method, loss
and slips as of ntu60_brl.py.

Published top-1 (ST-GCN++, the best epoch on the test clips, streams j b jm bm, then two and four of
them fused):

    45.6 45.2 42.0 41.2   48.1 48.6

The public config of it cannot run as it is; the class counts are those of the data here, the upper
body is nose to wrists, pixels are divided by the size of the image, a body is zero where it is not
seen, and the test draws nothing.
"""

from skeljax import papers, presets


def get_config(text: str = ""):
    chosen = presets.options(text, stream=(*presets.STREAMS, "all"), **papers.LONG_TAIL)
    config = presets.base()
    config.data.dataset = "kinetics_skeleton/hrnet"
    config.data.prepare = "prenorm2d_present"
    config.data.bodies = 2
    config.data.storage = "float16"
    papers.use_long_tail(config, chosen)
    config.data.repeat = 1
    config.train.epochs = 150
    config.train.batch = 64
    config.optim.base_batch = 64
    config.recipe.length = 100
    if config.recipe.name == "brl":
        config.recipe.update({"scale": 0.0, "rotation": 0.0, "mirror": True})
    else:
        config.recipe.flip = 0.5
    if config.loss.get("switch") == 19 / 24:  # BRL's epoch on NTU; other losses have their own
        config.loss.switch = 129 / 150
    papers.use_streams(config, chosen["stream"], {"two": "k400-2", "four": "k400-4"})
    return config
