"""NTU RGB+D 120."""

from skeljax.datasets.ntu_builder import NtuBuilder, configs
from skeljax.readers import ntu


class Ntu120(NtuBuilder):
    """113,945 Kinect v2 clips of 120 actions by 106 people in 32 setups."""

    BUILDER_CONFIGS = configs("ntu120")
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        f"Needs {' and '.join(ntu.ARCHIVES)} or their folders, from {ntu.URL}."
    )
