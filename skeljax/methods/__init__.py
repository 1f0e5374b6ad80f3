"""Ways of training, by the name that `config.method.name` gives."""

from skeljax.methods.base import Facts, Method
from skeljax.methods.infogcn import InfoGCN
from skeljax.methods.protogcn import ProtoGCN
from skeljax.methods.supervised import Supervised

METHODS = {
    "supervised": Supervised,
    "infogcn": InfoGCN,
    "protogcn": ProtoGCN,
}

__all__ = ["METHODS", "Facts", "Method"]
