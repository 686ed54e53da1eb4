"""Machines that fit one branch together; two processes stand for them here."""

import os
import socket
import subprocess
import sys
import time

import pytest
import torch
import yaml

from foregaze.errors import ConfigError
from foregaze.models.checkpoint_file import read_tensors
from foregaze.training.machines import Machines


def test_one_machine_leads_and_needs_nobody():
    machines = Machines(1)
    machines.meet()
    machines.tell("topic", [1])
    assert machines.leads


def test_the_environment_has_to_say_which_machine_this_is(monkeypatch):
    for name in ("NODE_RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError, match="is 2: set NODE_RANK, MASTER_ADDR, MASTER_PORT on each"):
        Machines(2)
    for name, value in (("NODE_RANK", "2"), ("MASTER_ADDR", "x"), ("MASTER_PORT", "70000")):
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match="NODE_RANK is '2', expected a number from 0 to 1"):
        Machines(2)
    monkeypatch.setenv("NODE_RANK", "1")
    with pytest.raises(ConfigError, match="MASTER_PORT is '70000', expected a number from 1 to 65"):
        Machines(2)
    monkeypatch.setenv("MASTER_PORT", "29500")
    assert not Machines(2).leads


def free_port() -> int:
    """One below another free one, as far as can be told."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1]) - 1


def test_two_machines_make_what_one_makes(small_osie, tmp_path):
    """A recipe on one process, and on two machines of one process each."""
    recipe = {
        "name": "toy",
        "architecture": "dinogaze",
        "grid": {"input_size": [64, 96]},
        "model": {
            "backbones": [{"name": "tf_efficientnet_lite0", "taps": ["3"], "weights": "random:0"}],
            "readout_factor": 16,
            "history": 0,
        },
        "branches": [{"name": "head", "stages": [{"name": "eye", "epochs": 2, "batch_size": 4}]}],
        "data": {"root": str(small_osie), "folds": 3},
        "parts": ["fold-0"],
        "metrics": ["LL"],
        "workers": 1,
        "store": str(tmp_path / "store"),
        "trainer": {"accelerator": "cpu"},
    }
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe))
    command = [sys.executable, "-c", "from foregaze.cli.main import main; main()", "train"]
    command += [str(path), "--output"]
    subprocess.run([*command, str(tmp_path / "one")], check=True, capture_output=True)
    port = str(free_port())
    machines = []
    for rank in ("1", "0"):
        places = {"NODE_RANK": rank, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        several = [*command, str(tmp_path / "two"), "--set", "trainer.num_nodes=2"]
        machines.append(
            subprocess.Popen(
                several,
                env={**os.environ, **places},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
        )
        time.sleep(0.5)
    for machine in machines:
        said, _ = machine.communicate(timeout=300)
        assert machine.returncode == 0, said.decode()
    one, two = (
        read_tensors(tmp_path / name / "fold-0" / "model.safetensors") for name in ("one", "two")
    )
    for key, tensor in one.items():
        torch.testing.assert_close(two[key], tensor, rtol=0, atol=2e-5)
    assert (tmp_path / "two" / "report.json").exists()
