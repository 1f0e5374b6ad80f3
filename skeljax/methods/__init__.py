"""Ways of training, by the name that `config.method.name` gives."""

from skeljax.methods.base import Facts, Method
from skeljax.methods.brl import BRL
from skeljax.methods.crosclr import CrosSCLR
from skeljax.methods.frhead import FRHead
from skeljax.methods.linear import CrosLinear, FineTune, LinearProbe
from skeljax.methods.skelemixclr import SkeleMixCLR
from skeljax.methods.skeletonclr import SkeletonCLR
from skeljax.methods.supervised import Supervised

METHODS = {
    "supervised": Supervised,
    "brl": BRL,
    "frhead": FRHead,
    "skeletonclr": SkeletonCLR,
    "skelemixclr": SkeleMixCLR,
    "crosclr": CrosSCLR,
    "linear": LinearProbe,
    "crosclr_linear": CrosLinear,
    "finetune": FineTune,
}

__all__ = ["METHODS", "Facts", "Method"]
