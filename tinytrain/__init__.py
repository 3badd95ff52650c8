"""tinytrain: a minimal training engine on torch tensors and autograd, with its curriculum."""

__version__ = "0.1.0"
