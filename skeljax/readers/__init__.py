"""Raw formats to Clip. Pure NumPy; nothing here knows TFDS."""

from skeljax.readers.clip import Clip

__all__ = ["Clip"]
