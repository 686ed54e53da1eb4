import pytest
import torch

from foregaze.errors import ConfigError
from foregaze.ops.device import device_named


def test_devices_have_their_names():
    assert device_named("cpu") == torch.device("cpu")


def test_auto_is_the_accelerator_or_the_processor(monkeypatch):
    for found, expected in ((None, "cpu"), (torch.device("cuda"), "cuda")):
        monkeypatch.setattr(
            torch.accelerator, "current_accelerator", lambda check_available, f=found: f
        )
        assert device_named("auto") == torch.device(expected)


def test_unknown_devices_are_refused():
    with pytest.raises(ConfigError, match="device 'nowhere' is not available here"):
        device_named("nowhere")
