import math
from types import SimpleNamespace

import pytest
import torch

from foregaze.training.examples import Example
from foregaze.training.module import log_likelihood_bits
from tests.training.toy_guided import guided, stage_module


def test_uniform_density_has_no_bits():
    uniform = torch.full((1, 4, 8), -math.log(32), dtype=torch.float64)
    bits = log_likelihood_bits(uniform, torch.ones(1, 4, 8, dtype=torch.float64))
    assert bits.item() == pytest.approx(0)


def test_twice_the_uniform_density_at_all_fixations_is_one_bit():
    density = torch.full((2, 4, 8), 0.5 / 31)
    density[:, 1, 2] = 2 / 32
    counts = torch.zeros(2, 4, 8)
    counts[:, 1, 2] = torch.tensor([1.0, 7.0])
    assert log_likelihood_bits(density.log(), counts).tolist() == pytest.approx([1.0, 1.0])


def test_fixations_of_an_image_weigh_equally():
    density = torch.tensor([[[0.5, 0.25, 0.125, 0.125]]])
    counts = torch.tensor([[[3.0, 0.0, 1.0, 0.0]]])
    expected = (3 * math.log2(0.5 * 4) + math.log2(0.125 * 4)) / 4
    assert log_likelihood_bits(density.log(), counts).item() == pytest.approx(expected)


@pytest.fixture(scope="module")
def module(small_osie, tmp_path_factory):
    folder = tmp_path_factory.mktemp("toy")
    recipe = guided(small_osie, folder, data={"validation_images": 3})
    return stage_module(recipe, folder / "run")


def of_process(module, rank, ranks):
    module.trainer = SimpleNamespace(global_rank=rank, world_size=ranks, current_epoch=0)
    return module


@pytest.mark.parametrize("ranks", [1, 2, 4, 5])
def test_processes_share_the_validation_images_evenly(module, ranks):
    own = [list(of_process(module, n, ranks).val_dataloader().batch_sampler) for n in range(ranks)]
    assert len({len(batches) for batches in own}) == 1
    views = [view for batches in own for (view,) in batches]
    assert sorted(v.image for v in views if v.weight) == sorted(module.validation_images)
    assert {view.image for view in views} <= set(module.validation_images)


def noted(module, bits, weight):
    """Value and size of what a process logs."""
    maps = torch.zeros(len(bits), 1, 1)
    weights = None if weight is None else torch.tensor(weight)
    batch = Example({}, maps, maps, weight=weights)
    found = []
    log = lambda name, value, **options: found.append((value.item(), options["batch_size"]))  # noqa: E731
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "log", log)
        module._note("LL", torch.tensor(bits), batch)
    return found[0]


def test_means_over_processes_do_not_count_what_weighs_nothing(module):
    of_process(module, 0, 2)
    first = noted(module, [1.0, 3.0], [4 / 3, 4 / 3])
    second = noted(module, [5.0, 99.0], [4 / 3, 0.0])
    (a, n), (b, m) = first, second
    assert (a * n + b * m) / (n + m) == pytest.approx(3.0)
    assert n % 2 == m % 2 == 0  # which Lightning divides by the number of processes
    assert noted(module, [99.0], [0.0]) == (0.0, 0)
    assert noted(of_process(module, 0, 1), [1.0, 3.0], None) == (2.0, 2)


def test_a_loss_weighs_its_images(module):
    of_process(module, 0, 1)
    module.log = lambda *given, **options: None
    views = next(iter(module.train_dataloader().batch_sampler))
    collate = module.train_dataloader().collate_fn
    plain = collate([module.examples[view] for view in views])
    halved = collate([module.examples[view._replace(weight=0.5)] for view in views])
    with torch.no_grad():
        assert module.training_step(halved, 0) == pytest.approx(module.training_step(plain, 0) / 2)
    del module.log
