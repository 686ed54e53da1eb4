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
from foregaze.errors import TrainingError
from foregaze.ops.logdensity import resample
from foregaze.ops.working_size import size_of_area
from foregaze.training.batches import EpochBatches, batches_per_epoch
from foregaze.training.components import Component, HeadComponent
from foregaze.training.examples import Example, Examples, collate
from foregaze.training.frames import View
from foregaze.training.recipe import DataConfig, Stage
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
    nats = (log_density * counts).sum((-2, -1)) / counts.sum((-2, -1)).clamp(min=1)
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
        data: Which views of the images are shown.
    """

    def __init__(
        self,
        branch: Component,
        stage: Stage,
        seed: int,
        examples: Examples,
        fit_images: Sequence[int],
        validation_images: Sequence[int],
        data: DataConfig,
    ) -> None:
        super().__init__()
        self.branch = branch
        self.stage = stage
        self.seed = seed
        self.examples = examples
        self.fit_images = examples.with_fixations(fit_images)
        self.validation_images = examples.with_fixations(validation_images)
        self.data = data
        input_size = examples.features.grid.input_size
        self.sizes = [size_of_area(input_size, size) for size in examples.sizes]

    def train_dataloader(self) -> DataLoader[Example]:
        """This epoch's batches; the trainer asks anew for each epoch."""
        batches = EpochBatches(
            self.fit_images,
            self.sizes,
            self.stage.batch_size,
            mirror=self.data.mirror,
            variants=self.data.variants,
            seed=(self.seed, self.current_epoch),
            rank=self.trainer.global_rank,
            ranks=self.trainer.world_size,
        )
        return DataLoader(self.examples, batch_sampler=batches, collate_fn=collate)

    def val_dataloader(self) -> DataLoader[Example] | list[Any]:
        """The validation images, one by one; each process has its share, the last ones padded."""
        rank, ranks = self.trainer.global_rank, self.trainer.world_size
        views = [View(image, mirrored=False) for image in self.validation_images]
        views += [view._replace(weight=0.0) for view in views[:1] * (-len(views) % ranks)]
        if not views:
            return []
        own = [[view] for view in views[rank::ranks]]
        return DataLoader(self.examples, batch_sampler=own, collate_fn=collate)

    def on_train_epoch_start(self) -> None:
        """Make dropout depend on the seed and the epoch alone."""
        torch.manual_seed(self.seed * 100_003 + self.current_epoch)

    def training_step(self, batch: Example, _: int) -> Tensor:
        """Negative log-likelihood in bits."""
        bits = self._bits(batch)
        loss = -(bits if batch.weight is None else bits * batch.weight).mean()
        self._note("train/LL", bits, batch)
        if not loss.isfinite():
            raise self._diverged("training")
        return loss

    def validation_step(self, batch: Example, _: int) -> None:
        """Log-likelihood of the validation images in bits."""
        bits = self._bits(batch)
        if not bits.isfinite().all():
            raise self._diverged("validation")
        self._note("validation/LL", bits, batch)

    def _diverged(self, images: str) -> TrainingError:
        return TrainingError(
            f"stage {self.stage.name!r}, epoch {self.current_epoch + 1}: the likelihood of "
            f"{images} images is no finite number any more; a lower learning_rate, more "
            "warmup_steps, clip_gradient_norm or precision 32-true may help"
        )

    def _note(self, name: str, bits: Float[Tensor, "B *M"], batch: Example) -> None:
        """Log a mean over those of an epoch's images that weigh something."""
        seen = bits if batch.weight is None else bits[batch.weight > 0]
        value = seen.mean() if len(seen) else bits.new_zeros(())
        ranks = self.trainer.world_size
        self.log(
            name,
            value,
            on_epoch=True,
            on_step=False,
            # Lightning takes the mean of sizes over processes, in whole numbers.
            batch_size=len(seen) * ranks,
            sync_dist=ranks > 1,
        )

    def _bits(self, batch: Example) -> Float[Tensor, " B"]:
        features = {
            stage: feature.contiguous(memory_format=torch.channels_last)
            for stage, feature in batch.features.items()
        }
        if batch.history is not None:
            return self._bits_after(batch, features)
        height, width = batch.counts.shape[-2:]
        if batch.layout is None:
            log_density: Tensor = self.branch(features, batch.centerbias)
        else:
            log_density = self.branch(features, batch.centerbias, layout=batch.layout)
        log_density = log_density.to(batch.centerbias.dtype)
        return log_likelihood_bits(resample(log_density, (height, width)), batch.counts)

    def _bits_after(self, batch: Example, features: Features) -> Float[Tensor, " B"]:
        """Mean over an image's drawn fixations, of all that is said of them."""
        assert batch.history is not None
        assert isinstance(self.branch, HeadComponent | ViewerComponent)
        told = () if batch.layout is None else (batch.layout,)
        found = self.branch.log_likelihoods(features, batch.centerbias, batch.history, *told)
        when = "train" if self.training else "validation"
        for name, bits in found.items():
            if len(found) > 1:
                self._note(f"{when}/{name} of each", bits, batch)
        return torch.stack([bits.mean(1) for bits in found.values()]).sum(0)

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """AdamW; each group's rate warms up and falls as a cosine to zero, or at milestones."""
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
        batches = batches_per_epoch(self.fit_images, self.sizes, stage.batch_size)
        per_epoch = math.ceil(batches / stage.accumulate)

        def rate(step: int) -> float:
            warm = min(1.0, (step + 1) / max(1, stage.warmup_steps))
            if stage.milestones:
                passed = sum(step >= epoch * per_epoch for epoch in stage.milestones)
                return warm * float(stage.decay**passed)
            done = min(1.0, step / (per_epoch * stage.epochs))
            return warm * 0.5 * (1 + math.cos(math.pi * done))

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
