"""The weights that foregaze ships, on photographs and on OSIE."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch

import foregaze
from foregaze.inference.zoo import shipped_models
from foregaze.metrics import log_likelihood

ROOT = Path(__file__).parents[1]
LARGEST_BYTES = 40_000_000


SPATIAL = [name for name in shipped_models() if name != "default-scanpath"]


@pytest.fixture(scope="module", params=SPATIAL)
def model(request):
    return foregaze.load_model(request.param, device="cpu")


def test_a_face_gets_more_density_than_its_share_of_the_image(model):
    density = np.exp(model.predict(skimage.data.astronaut()).log_density.astype(np.float64))
    assert density.sum() == pytest.approx(1, abs=1e-5)
    face = density[60:210, 170:280].sum()
    assert face > 4 * (150 * 110) / density.size


def test_onnx_runtime_and_pytorch_agree(model):
    image = skimage.data.coffee()
    fast = model.predict(image).log_density
    slow = foregaze.load_model(model.name, device="cpu")
    slow.engine = slow.model
    assert slow.engine is not model.engine
    assert np.abs(slow.predict(image).log_density - fast).max() < 1e-4


def test_fixations_on_osie_are_far_likelier_than_under_the_uniform_density(model, osie_root):
    dataset = foregaze.load_dataset("osie", osie_root).subset(range(0, 600, 100))
    bits = [
        log_likelihood(model.predict(dataset.stimuli[i]).log_density, f.column, f.row).mean()
        for i, f in enumerate(dataset.evidence_by_image())
    ]
    assert np.mean(bits) > 2.3


def test_the_card_names_data_and_out_of_fold_numbers(model):
    assert model.card["dataset"] == "osie"
    assert len(model.card["images"]) == 600
    assert 0.85 < model.card["out_of_fold"]["IGE"]["mean"] < 1


def test_frozen_stages_run_once_for_each_view(model):
    passes = []
    hook = model.model.trunk.stages[0].register_forward_hook(lambda *_: passes.append(1))
    slow = foregaze.load_model(model.name, device="cpu")
    slow.engine = model.model
    with torch.inference_mode():
        slow.predict(skimage.data.coffee())
    hook.remove()
    assert len(passes) == (2 if model.mirrored else 1)


def test_shipped_files_are_small():
    sizes = [p.stat().st_size for p in (ROOT / "src/foregaze/weights").glob("*.safetensors")]
    assert len(sizes) == len(shipped_models())
    assert sum(sizes) < LARGEST_BYTES


def test_numbers_in_the_pages_are_those_of_the_reports():
    command = [sys.executable, str(ROOT / "tools" / "write_numbers.py"), "--check"]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout
