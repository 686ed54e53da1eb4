import hashlib
import json

import pytest
import torch
from safetensors.torch import save_file

from foregaze.errors import ConfigError, WeightsError
from foregaze.models.checkpoint_file import (
    FORMAT,
    Trained,
    frozen_sha256,
    load_trained,
    read_header,
    read_tensors,
)

HEADER = {
    "format": FORMAT,
    "architecture": "toy",
    "config": {"sides": [3, 4]},
    "trunk_sha256": None,
    "card": {"dataset": "osie"},
}


class Toy(torch.nn.Module):
    """Two tensors, of which training makes one."""

    def __init__(self):
        super().__init__()
        self.made = torch.nn.Parameter(torch.zeros(2, 3))
        self.frozen = torch.nn.Parameter(torch.zeros(4))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    def trained_tensors(self):
        return {"made": self.made, "count": self.count}


def write(path, header=None, **tensors):
    metadata = {"foregaze": json.dumps(HEADER if header is None else header)}
    save_file(tensors or {"made": torch.ones(2, 3)}, path, metadata)
    return path


def test_a_header_is_read_as_it_was_written(tmp_path):
    header = read_header(write(tmp_path / "a.safetensors"))
    assert header.model_dump() == HEADER


def test_a_header_says_nothing_that_is_not_known(tmp_path):
    path = write(tmp_path / "a.safetensors", HEADER | {"mood": 1})
    with pytest.raises(ConfigError, match=r"a.safetensors: unknown key 'mood'; known here: archi"):
        read_header(path)


def test_another_format_is_refused(tmp_path):
    path = write(tmp_path / "a.safetensors", HEADER | {"format": "foregaze-0"})
    with pytest.raises(WeightsError, match="has format 'foregaze-0', this version reads 'foreg"):
        read_header(path)


def test_a_checkpoint_that_is_not_there_is_named(tmp_path):
    with pytest.raises(WeightsError, match=r"none.safetensors: no such checkpoint$"):
        read_header(tmp_path / "none.safetensors")
    with pytest.raises(WeightsError, match=r"none.safetensors: cannot be read as a checkpoint"):
        read_tensors(tmp_path / "none.safetensors")


def test_tensors_are_read_as_they_were_written(tmp_path):
    half = torch.randn(2, 2, generator=torch.Generator().manual_seed(0)).half()
    found = read_tensors(write(tmp_path / "a.safetensors", half=half, number=torch.tensor(3)))
    assert sorted(found) == ["half", "number"]
    torch.testing.assert_close(found["half"], half, rtol=0, atol=0)
    assert found["number"].item() == 3


def test_what_training_made_is_loaded_and_the_rest_left_alone():
    toy = Toy()
    made, count = torch.full((2, 3), 0.5).half(), torch.tensor(7)
    load_trained(toy, {"made": made, "count": count}, "a file")
    assert isinstance(toy, Trained)
    assert toy.made.dtype == torch.float32
    assert toy.made.tolist() == [[0.5] * 3] * 2
    assert toy.count.item() == 7
    assert toy.frozen.tolist() == [0.0] * 4


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"made": torch.ones(2, 3)}, r"a file: .*1 keys missing \(first: 'count'\)"),
        (
            {"made": torch.ones(2, 3), "count": torch.tensor(0), "frozen": torch.ones(4)},
            r"1 .*\(first: 'frozen'\)",
        ),
        (
            {"made": torch.ones(3, 2), "count": torch.tensor(0)},
            r"made has shape \(3, 2\), expected \(2, 3\)",
        ),
    ],
)
def test_tensors_that_do_not_fit_are_an_error_that_names_one(tensors, message):
    with pytest.raises(WeightsError, match=message):
        load_trained(Toy(), tensors, "a file")


def test_frozen_weights_are_known_by_the_bytes_of_their_files(tmp_path):
    contents = {"a.pth": b"one", "b.pth": b"two"}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    paths = [str(tmp_path / name) for name in contents]
    expected = [hashlib.sha256(content).hexdigest() for content in contents.values()]
    assert frozen_sha256(paths) == ",".join(expected)
    assert frozen_sha256([*paths[:1], "random:0"]) == expected[0]
    assert frozen_sha256(["random:0"]) is None
    assert frozen_sha256([]) is None
