"""Ways of training, by the name that `config.method.name` gives."""

from skeljax.methods.base import Facts, Method
from skeljax.methods.brl import BRL
from skeljax.methods.lst import Lst
from skeljax.methods.supervised import Supervised

METHODS = {
    "supervised": Supervised,
    "brl": BRL,
    "lst": Lst,
}

__all__ = ["METHODS", "Facts", "Method"]
