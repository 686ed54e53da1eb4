"""One stage of one branch in Lightning's trainer: processes, precision, logs, checkpoints."""

import copy
import csv
import logging
import multiprocessing
import os
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from torch.multiprocessing.spawn import ProcessRaisedException

from foregaze.errors import ConfigError, OutputError, TrainingError
from foregaze.training.machines import Machines
from foregaze.training.module import BranchTraining
from foregaze.training.recipe import Stage, TrainerConfig

_SCORE = "validation/LL"


class _ReportEpochs(Callback):
    def __init__(self, on_epoch: Callable[[], None]) -> None:
        self.on_epoch = on_epoch

    def on_train_start(self, trainer: lightning.Trainer, _: lightning.LightningModule) -> None:
        if trainer.is_global_zero:
            for _epoch in range(trainer.current_epoch):
                self.on_epoch()

    def on_train_epoch_end(self, trainer: lightning.Trainer, __: lightning.LightningModule) -> None:
        if trainer.is_global_zero:
            self.on_epoch()


def end_with_parent() -> None:
    """End this process with its parent: one that was killed would otherwise leave it at work."""
    threading.Thread(target=_exit_after_parent, daemon=True).start()


def _exit_after_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


class _EndWithParent(Callback):
    """For the processes that fit a branch together, which Lightning starts."""

    def setup(self, trainer: lightning.Trainer, _: lightning.LightningModule, stage: str) -> None:
        del stage
        if trainer.world_size > 1:
            end_with_parent()
            _silence_lightning()


class _LeastRate(Callback):
    """Ends training when milestones have brought the rate below a floor."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    def on_train_epoch_end(self, trainer: lightning.Trainer, _: lightning.LightningModule) -> None:
        if _is_slow(self.stage, trainer.current_epoch + 1):
            trainer.should_stop = True


def check_trainer(config: TrainerConfig) -> None:
    """Raise a `ConfigError` if this machine has not what a recipe's trainer asks for."""
    Machines(config.num_nodes)
    _silence_lightning()
    try:
        _bare_trainer(config, config.devices)
    except (MisconfigurationException, ValueError, RuntimeError) as error:
        raise ConfigError(f"trainer: {error}") from error


def device_of(config: TrainerConfig) -> torch.device:
    """Where a recipe's trainer puts what it fits; the first such device."""
    _silence_lightning()
    found: torch.device = _bare_trainer(config, 1).strategy.root_device
    return found


def _bare_trainer(config: TrainerConfig, devices: int) -> lightning.Trainer:
    """One that writes nothing."""
    return lightning.Trainer(
        accelerator=config.accelerator,
        devices=devices,
        precision=config.precision,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def fit_stage(
    module: BranchTraining, config: TrainerConfig, folder: Path, on_epoch: Callable[[], None]
) -> None:
    """Fit in place and leave the kept epoch's weights in the module.

    With validation images the best epoch is kept, and the weights that a stage starts with count as
    one. Goes on from the last finished epoch if there is one in `folder`.

    Args:
        module: What is fitted.
        config: Options of the trainer.
        folder: For logs and checkpoints.
        on_epoch: Called after each epoch, those of an earlier, interrupted run included.

    Raises:
        OutputError: If the folder cannot be written, for lack of room for instance.
        TrainingError: If a likelihood is no finite number, or one of several processes fails.
    """
    try:
        _fit_stage(module, config, folder, on_epoch)
    except OSError as error:
        problem = error.strerror or error
        raise OutputError(
            f"{folder}: cannot be written ({problem}); with that mended, --resume goes on from the "
            "last finished epoch"
        ) from error
    except ProcessRaisedException as error:
        last = str(error).strip().splitlines()[-1]
        raise TrainingError(f"{folder}: one of several processes failed: {last}") from error


def _fit_stage(
    module: BranchTraining, config: TrainerConfig, folder: Path, on_epoch: Callable[[], None]
) -> None:
    _silence_lightning()
    stage, chooses = module.stage, bool(module.validation_images)
    initial = copy.deepcopy(module.state_dict())
    callbacks: list[Callback] = [_ReportEpochs(on_epoch)]
    best = ModelCheckpoint(folder, "best", _SCORE, mode="max", enable_version_counter=False)
    before = -torch.inf
    if chooses:
        trainer = _trainer(module, config, folder, [], logged=False)
        before = trainer.validate(module, verbose=False)[0][_SCORE]
        callbacks.append(best)
        if stage.patience is not None:
            stopping = EarlyStopping(_SCORE, patience=stage.patience, mode="max")
            stopping.best_score = torch.tensor(before)
            callbacks.append(stopping)
    if stage.milestones and stage.min_learning_rate:
        callbacks.append(_LeastRate(stage))
    # The last callback: its file then holds what the others have noted of the same epoch.
    callbacks.append(
        ModelCheckpoint(folder, filename="last", save_top_k=1, enable_version_counter=False)
    )
    resumed = folder / "last.ckpt"
    if _has_ended(resumed, stage):
        module.load_state_dict(torch.load(resumed, "cpu", weights_only=True)["state_dict"])
    else:
        trainer = _trainer(module, config, folder, callbacks, logged=True)
        if resumed.exists():
            _keep_rows(trainer, resumed)
        trainer.fit(module, ckpt_path=resumed if resumed.exists() else None, weights_only=True)
    if chooses:
        kept = torch.load(folder / "best.ckpt", map_location="cpu", weights_only=True)
        is_better = _noted_score(kept) >= before
        module.load_state_dict(kept["state_dict"] if is_better else initial)


def _keep_rows(trainer: lightning.Trainer, resumed: Path) -> None:
    """Leave in the log what is known of the epochs that are not run again."""
    csv_logger = trainer.loggers[0]
    assert isinstance(csv_logger, CSVLogger)
    log = Path(csv_logger.log_dir) / "metrics.csv"
    if not (trainer.is_global_zero and log.exists()):
        return
    finished = torch.load(resumed, map_location="cpu", weights_only=True)["epoch"]
    with log.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if int(row["epoch"]) <= finished]
    writer = csv_logger.experiment  # begins the file anew
    writer.metrics = rows
    writer.save()


def _has_ended(checkpoint: Path, stage: Stage) -> bool:
    """Whether a stage that was interrupted had come to its end before all of its epochs."""
    if not checkpoint.exists():
        return False
    content = torch.load(checkpoint, map_location="cpu", weights_only=True)
    waited = [s.get("wait_count", 0) for s in content["callbacks"].values()]
    if stage.patience is not None and max(waited, default=0) >= stage.patience:
        return True
    return _is_slow(stage, content["epoch"] + 1)


def _is_slow(stage: Stage, epochs: int) -> bool:
    """Whether milestones have brought the rate below its floor after so many epochs."""
    passed = sum(epochs >= milestone for milestone in stage.milestones)
    return passed > 0 and stage.learning_rate * stage.decay**passed < stage.min_learning_rate


def _noted_score(checkpoint: dict[str, Any]) -> float:
    """Best validation score that a checkpoint's callbacks have seen."""
    states = [s for s in checkpoint["callbacks"].values() if s.get("monitor") == _SCORE]
    scores = [s["best_model_score"] for s in states if s.get("best_model_score") is not None]
    return max((float(score) for score in scores), default=-torch.inf)


def _trainer(
    module: BranchTraining,
    config: TrainerConfig,
    folder: Path,
    callbacks: list[Callback],
    *,
    logged: bool,
) -> lightning.Trainer:
    stage = module.stage
    return lightning.Trainer(
        accelerator=config.accelerator,
        devices=config.devices,
        num_nodes=config.num_nodes,
        strategy="ddp_spawn" if config.processes > 1 else "auto",
        precision=config.precision,
        accumulate_grad_batches=stage.accumulate,
        max_epochs=stage.epochs,
        callbacks=[_EndWithParent(), *callbacks],
        enable_checkpointing=logged,
        logger=[
            CSVLogger(folder, name="csv", version=""),
            TensorBoardLogger(str(folder), name="tensorboard", version=""),
        ]
        if logged
        else False,
        gradient_clip_val=stage.clip_gradient_norm,
        limit_val_batches=1.0 if module.validation_images else 0,
        num_sanity_val_steps=0,
        reload_dataloaders_every_n_epochs=1,
        use_distributed_sampler=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def _silence_lightning() -> None:
    """Keep advice about workers and devices out of the progress display."""
    for name in ("lightning", "lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")
