"""Ways of training, by the name that `config.method.name` gives."""

from skeljax.methods.base import Facts, Method
from skeljax.methods.brl import BRL
from skeljax.methods.frhead import FRHead
from skeljax.methods.supervised import Supervised

METHODS = {
    "brl": BRL,
    "frhead": FRHead,
    "supervised": Supervised,
}

__all__ = ["METHODS", "Facts", "Method"]
