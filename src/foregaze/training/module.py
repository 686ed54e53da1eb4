"""The training step: maximum likelihood of fixations under one branch's density."""

import math
from collections.abc import Sequence
from typing import Any

import lightning
import torch
from jaxtyping import Float
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor
from torch.utils.data import DataLoader

from foregaze.backbones.staged import Features
from foregaze.models.trunk_mixture import working_size
from foregaze.ops.logdensity import resample
from foregaze.training.components import Component, HeadComponent
from foregaze.training.examples import (
    EpochBatches,
    Example,
    Examples,
    View,
    batches_per_epoch,
    collate,
)
from foregaze.training.recipe import Stage
from foregaze.training.viewer_component import ViewerComponent

SCALARS = (
    "log_sigma",
    "centerbias_weight",
    "density_weight",
    "sigma",
    "center_bias_weight",
)
"""Ends of the names of blur widths and weights of whole maps, which have a rate of their own."""


def log_likelihood_bits(
    log_density: Float[Tensor, "B H W"], counts: Float[Tensor, "B H W"]
) -> Float[Tensor, " B"]:
    """Mean over each image's fixations of the log density over uniform, in bits."""
    nats = (log_density * counts).sum((-2, -1)) / counts.sum((-2, -1))
    return (nats + math.log(counts[0].numel())) / math.log(2)


class BranchTraining(lightning.LightningModule):
    """Fits one branch in one stage of a recipe.

    Args:
        branch: What is fitted, in place.
        stage: Epochs, rates and batch size.
        seed: It and the epoch's number alone decide order, mirroring and dropout.
        examples: Features, center bias and fixations.
        fit_images: Images that are fitted.
        validation_images: Images that choose the epoch; may be empty.
        mirror: Whether half of the images are shown mirrored.
    """

    def __init__(
        self,
        branch: Component,
        stage: Stage,
        seed: int,
        examples: Examples,
        fit_images: Sequence[int],
        validation_images: Sequence[int],
        *,
        mirror: bool,
    ) -> None:
        super().__init__()
        self.branch = branch
        self.stage = stage
        self.seed = seed
        self.examples = examples
        self.fit_images = examples.with_fixations(fit_images)
        self.validation_images = examples.with_fixations(validation_images)
        self.mirror = mirror
        self.sizes = [working_size(examples.features.config, size) for size in examples.sizes]

    def train_dataloader(self) -> DataLoader[Example]:
        """This epoch's batches; the trainer asks anew for each epoch."""
        batches = EpochBatches(
            self.fit_images,
            self.sizes,
            self.stage.batch_size,
            mirror=self.mirror,
            seed=(self.seed, self.current_epoch),
        )
        return DataLoader(self.examples, batch_sampler=batches, collate_fn=collate)

    def val_dataloader(self) -> DataLoader[Example] | list[Any]:
        """The validation images, one by one."""
        views = [[View(image, mirrored=False)] for image in self.validation_images]
        return DataLoader(self.examples, batch_sampler=views, collate_fn=collate) if views else []

    def on_train_epoch_start(self) -> None:
        """Make dropout depend on the seed and the epoch alone."""
        torch.manual_seed(self.seed * 100_003 + self.current_epoch)

    def training_step(self, batch: Example, _: int) -> Tensor:
        """Negative log-likelihood in bits."""
        loss = -self._bits(batch).mean()
        self.log("train/LL", -loss, on_epoch=True, on_step=False, batch_size=len(batch.counts))
        return loss

    def validation_step(self, batch: Example, _: int) -> None:
        """Log-likelihood of the validation images in bits."""
        self.log("validation/LL", self._bits(batch).mean(), batch_size=len(batch.counts))

    def _bits(self, batch: Example) -> Float[Tensor, " B"]:
        features = {
            stage: feature.contiguous(memory_format=torch.channels_last)
            for stage, feature in batch.features.items()
        }
        if batch.history is not None:
            return self._bits_after(batch, features)
        height, width = batch.counts.shape[-2:]
        log_density: Tensor = self.branch(features, batch.centerbias)
        return log_likelihood_bits(resample(log_density, (height, width)), batch.counts)

    def _bits_after(self, batch: Example, features: Features) -> Float[Tensor, " B"]:
        """Mean over an image's drawn fixations, of all that is said of them."""
        assert batch.history is not None
        assert isinstance(self.branch, HeadComponent | ViewerComponent)
        found = self.branch.log_likelihoods(features, batch.centerbias, batch.history)
        when = "train" if self.training else "validation"
        for name, bits in found.items():
            if len(found) > 1:
                self.log(
                    f"{when}/{name} of each",
                    bits.mean(),
                    on_epoch=True,
                    on_step=False,
                    batch_size=len(bits),
                )
        return torch.stack([bits.mean(1) for bits in found.values()]).sum(0)

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """AdamW; each group's rate warms up and falls as a cosine to zero."""
        stage, parameters = self.stage, dict(self.branch.named_parameters())
        tuned = [p for name, p in parameters.items() if name.startswith("stages.")]
        others = {name: p for name, p in parameters.items() if not name.startswith("stages.")}
        scalars = [name for name in others if name.endswith(SCALARS)]
        groups: list[dict[str, Any]] = [
            {
                "params": [p for name, p in others.items() if name not in scalars],
                "lr": stage.learning_rate,
            },
            {
                "params": [others[name] for name in scalars],
                "lr": stage.scalar_learning_rate,
                "weight_decay": 0.0,
            },
        ]
        if tuned:
            groups.append({"params": tuned, "lr": stage.tuned_learning_rate})
        optimizer = torch.optim.AdamW(groups, weight_decay=stage.weight_decay)
        per_epoch = batches_per_epoch(self.fit_images, self.sizes, stage.batch_size)
        steps = per_epoch * stage.epochs

        def rate(step: int) -> float:
            warm = min(1.0, (step + 1) / max(1, stage.warmup_steps))
            return warm * 0.5 * (1 + math.cos(math.pi * min(1.0, step / steps)))

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
