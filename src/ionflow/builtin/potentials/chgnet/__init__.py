"""CHGNet, evaluated fast."""

from ionflow.builtin.potentials.chgnet.potential import CHGNet

__all__ = ["CHGNet"]
