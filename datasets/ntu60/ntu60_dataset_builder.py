"""NTU RGB+D 60."""

from skeljax.datasets.ntu_builder import NtuBuilder, configs
from skeljax.readers import ntu


class Ntu60(NtuBuilder):
    """56,578 Kinect v2 clips of 60 actions by 40 people, seen by three cameras."""

    BUILDER_CONFIGS = configs("ntu60")
    MANUAL_DOWNLOAD_INSTRUCTIONS = f"Needs {ntu.ARCHIVES[0]} or its folder, from {ntu.URL}."
