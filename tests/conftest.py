"""Two CPU devices and a shared compile cache."""

import os
import pathlib

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import pytest

from skeljax import sharding

CACHE = pathlib.Path(os.environ.get("SKELJAX_TEST_CACHE", "~/.cache/skeljax/tests")).expanduser()

sharding.set_up(str(CACHE), cpu_devices=2)
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)


@pytest.fixture(scope="session")
def shared_data() -> pathlib.Path:
    """Real data beside the checkout, where there is any."""
    here = pathlib.Path(__file__).resolve().parents[1]
    folder = pathlib.Path(os.environ.get("SKELJAX_DATA", here.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set SKELJAX_DATA")
    return folder
