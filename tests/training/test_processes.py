"""Several processes that fit one branch together, against one alone."""

import csv
from functools import partial

import pytest
import torch

from foregaze.training.fitting import fit_stage
from foregaze.training.recipe import TrainerConfig
from tests.training.toy_guided import guided, stage_module

NO_MATTER = partial(len, ())
"""Called in another process after each epoch."""


def test_two_processes_fit_as_one_does(small_osie, tmp_path):
    """With batches and validation images that do not divide by two."""
    recipe = guided(
        small_osie,
        tmp_path,
        "dinogaze-spade",
        stage={"batch_size": 3, "learning_rate": 1e-3},
        data={"validation_images": 3},
    )
    rows, weights, last = [], [], []
    for devices in (1, 2):
        module = stage_module(recipe, tmp_path / "run")
        folder = tmp_path / f"{devices}"
        config = TrainerConfig(accelerator="cpu", devices=devices)
        fit_stage(module, config, folder, NO_MATTER)
        log = (folder / "csv" / "metrics.csv").read_text()
        rows.append(list(csv.DictReader(log.splitlines())))
        weights.append(module.state_dict())
        last.append(torch.load(folder / "last.ckpt", weights_only=True)["state_dict"])
    assert len(rows[0]) == len(rows[1]) == 4
    for alone, together in zip(*rows, strict=True):
        for name in ("train/LL", "validation/LL"):
            if alone[name]:
                assert float(together[name]) == pytest.approx(float(alone[name]), abs=1e-5)
    for alone, together in (weights, last):
        for key, tensor in alone.items():  # sums in another order, after six steps of AdamW
            torch.testing.assert_close(together[key], tensor, rtol=0, atol=2e-5, msg=key)
    first = stage_module(recipe, tmp_path / "run").state_dict()
    assert max((last[0][key] - tensor).abs().max() for key, tensor in first.items()) > 1e-3
