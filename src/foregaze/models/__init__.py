"""Models, one file each, and the checkpoints that hold what training made of them."""

from foregaze.models.trunk_mixture import TrunkMixture

MODELS = {"trunk-mixture": TrunkMixture}

__all__ = ["MODELS", "TrunkMixture"]
