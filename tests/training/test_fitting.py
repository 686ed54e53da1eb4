"""One stage: when it ends, what it keeps, and that numbers do not depend on how it is computed."""

import copy
import csv
from collections import defaultdict

import pytest
import torch
from torch.multiprocessing.spawn import ProcessRaisedException

from foregaze.errors import TrainingError
from foregaze.training import fitting
from foregaze.training.fitting import device_of, fit_stage
from foregaze.training.module import BranchTraining
from foregaze.training.recipe import TrainerConfig
from tests.training.toy_guided import guided, stage_module

CPU = TrainerConfig(accelerator="cpu")
HISTORY = {"model": {"history": 4, "variant": "C"}, "stage": {"histories_per_image": 3}}


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    return tmp_path_factory.mktemp("stores")


@pytest.fixture
def module_of(small_osie, stores, tmp_path):
    """Makes what fits a toy recipe's stage."""

    def make(architecture="dinogaze", **changes):
        recipe = guided(small_osie, stores, architecture, **changes)
        return stage_module(recipe, tmp_path / "run")

    return make


@pytest.fixture
def scripted(monkeypatch):
    """Gives validation scores to each epoch, and keeps the weights that it had."""
    weights = {}

    def script(before, *scores):
        def step(self, batch, number):
            del batch
            fitting = self.trainer.state.fn == "fit"
            if fitting and number == 0:
                weights[self.current_epoch] = copy.deepcopy(self.state_dict())
            score = scores[self.current_epoch] if fitting else before
            self.log("validation/LL", score, on_epoch=True, on_step=False, batch_size=1)

        monkeypatch.setattr(BranchTraining, "validation_step", step)
        return weights

    return script


VALIDATED = {"data": {"validation_images": 2}}


class StoppedError(Exception):
    """In place of a kill."""


def fitted(module, folder, config=CPU):
    """Number of epochs that it took."""
    epochs = []
    fit_stage(module, config, folder, lambda: epochs.append(1))
    return len(epochs)


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for key, tensor in expected.items():
        assert torch.equal(found[key], tensor), key


def test_patience_ends_training_and_the_best_epoch_is_kept(module_of, scripted, tmp_path):
    module = module_of(**VALIDATED, stage={"epochs": 9, "patience": 2})
    weights = scripted(0.0, 1.0, 3.0, 2.0, 2.9, 9.0, 9.0, 9.0, 9.0, 9.0)
    assert fitted(module, tmp_path / "stage") == 4
    assert sorted(weights) == [0, 1, 2, 3]
    assert_same(module.state_dict(), weights[1])


def test_patience_counts_from_the_weights_that_training_begins_with(module_of, scripted, tmp_path):
    module = module_of(**VALIDATED, stage={"epochs": 9, "patience": 2})
    initial = copy.deepcopy(module.state_dict())
    scripted(5.0, 1.0, 2.0, 3.0, 4.0, 9.0, 9.0, 9.0, 9.0, 9.0)
    assert fitted(module, tmp_path / "stage") == 2
    assert_same(module.state_dict(), initial)


@pytest.mark.parametrize("patience", [None, 2])
@pytest.mark.parametrize("images", ["training", "validation"])
def test_a_likelihood_that_is_no_number_ends_training(
    module_of, monkeypatch, tmp_path, images, patience
):
    module = module_of(**VALIDATED, stage={"epochs": 3, "patience": patience})
    original = BranchTraining._bits

    def bits(self, batch):
        fails = self.trainer.training == (images == "training") and self.current_epoch == 1
        return original(self, batch) * (torch.nan if fails else 1.0)

    monkeypatch.setattr(BranchTraining, "_bits", bits)
    message = f"stage 'eye', epoch 2: the likelihood of {images} images is no finite number"
    with pytest.raises(TrainingError, match=message):
        fitted(module, tmp_path / "stage")


def test_what_one_of_several_processes_says_is_told_in_a_line(module_of, monkeypatch, tmp_path):
    def fail(*given):
        text = "\n\n-- Process 1 terminated:\nTraceback ...\nOSError: No room\n"
        raise ProcessRaisedException(text, 1, 4711)

    monkeypatch.setattr(fitting, "_fit_stage", fail)
    with pytest.raises(TrainingError, match="stage: one of several processes failed: OSError: No"):
        fitted(module_of(), tmp_path / "stage")


def test_networks_run_where_the_trainer_does():
    assert device_of(CPU) == torch.device("cpu")


def test_without_patience_all_epochs_are_run(module_of, scripted, tmp_path):
    module = module_of(**VALIDATED, stage={"epochs": 4})
    weights = scripted(0.0, 3.0, 2.0, 1.0, 0.5)
    assert fitted(module, tmp_path / "stage") == 4
    assert_same(module.state_dict(), weights[0])


def test_a_stage_that_has_ended_early_is_not_gone_on_with(module_of, scripted, tmp_path):
    """A later stage may have been interrupted; this one's result must stay."""
    changes = {**VALIDATED, "stage": {"epochs": 9, "patience": 1}}
    weights = scripted(0.0, 3.0, 2.0, 9.0, 9.0, 9.0, 9.0, 9.0, 9.0, 9.0)
    first, again = module_of(**changes), module_of(**changes)
    assert fitted(first, tmp_path / "stage") == 2
    weights.clear()
    fitted(again, tmp_path / "stage")
    assert not weights
    assert_same(again.state_dict(), first.state_dict())


def test_a_resumed_stage_has_the_log_of_all_epochs(module_of, tmp_path):
    changes = {**VALIDATED, "stage": {"epochs": 4}}
    folder, epochs = tmp_path / "stage", []

    def interrupt():
        epochs.append(1)
        if len(epochs) == 3:
            raise StoppedError

    with pytest.raises(StoppedError):
        fit_stage(module_of(**changes), CPU, folder, interrupt)
    log = folder / "csv" / "metrics.csv"
    header, *rows = log.read_text().splitlines()
    unfinished = ",".join("2" if name == "epoch" else "9" for name in header.split(","))
    log.write_text("\n".join([header, *rows, unfinished, ""]))
    assert fitted(module_of(**changes), folder) == 4
    with log.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for name in ("train/LL", "validation/LL"):
        assert [int(row["epoch"]) for row in rows if row[name]] == [0, 1, 2, 3], name


def test_what_training_makes_worse_is_kept_as_it_was(module_of, tmp_path):
    module = module_of(**VALIDATED, stage={"epochs": 1, "scalar_learning_rate": 30.0})
    before = copy.deepcopy(module.state_dict())
    assert fitted(module, tmp_path / "stage") == 1
    assert_same(module.state_dict(), before)
    last = torch.load(tmp_path / "stage" / "last.ckpt", weights_only=True)["state_dict"]
    assert any(not torch.equal(last[key], before[key]) for key in before)


@pytest.fixture
def rates(monkeypatch):
    """Rates of the readout at the batches of each epoch."""
    found = defaultdict(list)
    original = BranchTraining.training_step

    def step(self, batch, number):
        found[self.current_epoch].append(self.trainer.optimizers[0].param_groups[0]["lr"])
        return original(self, batch, number)

    monkeypatch.setattr(BranchTraining, "training_step", step)
    return found


MILESTONES = {"epochs": 6, "milestones": [1, 3], "learning_rate": 1e-2}


@pytest.mark.parametrize("accumulate", [1, 3])
def test_rates_fall_at_milestones(module_of, rates, tmp_path, accumulate):
    module = module_of(stage=MILESTONES | {"accumulate": accumulate})
    assert fitted(module, tmp_path / "stage") == 6
    for epoch, expected in enumerate([1e-2, 1e-3, 1e-3, 1e-4, 1e-4, 1e-4]):
        assert rates[epoch] == pytest.approx([expected] * 4), epoch


def test_training_ends_when_rates_are_below_the_least(module_of, rates, tmp_path):
    stage = MILESTONES | {"min_learning_rate": 5e-4}
    first, again = module_of(stage=stage), module_of(stage=stage)
    assert fitted(first, tmp_path / "stage") == 3
    assert rates[2] == pytest.approx([1e-3] * 4)
    assert 3 not in rates
    rates.clear()
    fitted(again, tmp_path / "stage")
    assert not rates
    assert_same(again.state_dict(), first.state_dict())


@pytest.mark.parametrize(
    ("architecture", "changes"),
    [("dinogaze", {}), ("dinogaze-spade", HISTORY)],
)
def test_densities_stay_in_single_precision_whatever_networks_compute_in(
    module_of, tmp_path, architecture, changes
):
    module = module_of(architecture, **changes)
    seen = defaultdict(set)
    component = module.branch
    component.head.fixation_selection.register_forward_hook(
        lambda m, i, x: seen["selection"].add(x.dtype)
    )
    after = component.head.after

    def watched(*given):
        for part in after(*given):
            seen["density"].add(part.dtype)
            assert (part.exp().sum((-2, -1)) * 16 - 1).abs().max() < 1e-4  # pixels of a cell
            yield part

    component.head.after = watched
    config = TrainerConfig(accelerator="cpu", precision="bf16-mixed")
    before = copy.deepcopy(module.state_dict())
    assert fitted(module, tmp_path / "stage", config) == 2
    assert seen["density"] == {torch.float32}
    assert seen["selection"] == {torch.bfloat16}
    assert any(not torch.equal(x, before[key]) for key, x in module.state_dict().items())
    for tensor in module.state_dict().values():
        assert tensor.dtype == torch.float32
        assert tensor.isfinite().all()


@pytest.mark.parametrize("changes", [{}, HISTORY])
def test_batches_that_are_accumulated_have_the_gradient_of_one(
    module_of, monkeypatch, tmp_path, changes
):
    gradients, weights = [], []

    def keep(self, optimizer):
        del optimizer
        named = self.named_parameters()
        gradients.append({k: x.grad.clone() for k, x in named if x.grad is not None})

    monkeypatch.setattr(BranchTraining, "on_before_optimizer_step", keep)
    for number, sizes in enumerate([(4, 1), (1, 4)]):
        stage = {"epochs": 1, "batch_size": sizes[0], "accumulate": sizes[1]}
        stage = changes.get("stage", {}) | stage
        module = module_of("dinogaze-spade", **changes | {"stage": stage})
        module.fit_images = module.fit_images[:4]
        fitted(module, tmp_path / f"{number}")
        weights.append(module.state_dict())
    whole, parts = gradients  # one step each
    assert whole.keys() == parts.keys()
    for key, gradient in whole.items():
        torch.testing.assert_close(parts[key], gradient, rtol=0, atol=5e-6, msg=key)
    for key, tensor in weights[0].items():  # the first step divides gradients by their own size
        torch.testing.assert_close(weights[1][key], tensor, rtol=0, atol=2e-4, msg=key)
