"""Text about actions, and the encoders that turn it into vectors."""

from skeljax.text.actions import Action, load_actions
from skeljax.text.encoders import ENCODERS, Encoder, make_encoder

__all__ = ["ENCODERS", "Action", "Encoder", "load_actions", "make_encoder"]
