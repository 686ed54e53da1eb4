import hashlib
import http.server
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from foregaze.backbones.downloads import cache_folder, cached_download, forget_record
from foregaze.backbones.weights import is_ready_offline, resolve_weights
from foregaze.errors import WeightsError

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


def test_a_download_with_another_checksum_leaves_nothing_behind(server, cache):
    wanted = "0" * 64
    source = f"{address(server)}#sha256={wanted}"
    assert message_of(source) == f"{address(server)}: SHA-256 is {CHECKSUM}, expected {wanted}"
    assert files_in(cache) == []
    assert not is_ready_offline(source)


def test_a_cached_file_that_was_changed_is_refused(server):
    source = f"{address(server)}#sha256={CHECKSUM}"
    path = resolve_weights(source)
    path.write_bytes(b"other")
    message = message_of(source)
    assert message.startswith(f"{path}: SHA-256 is ")
    assert message.endswith(f", expected {CHECKSUM}; delete it to have it downloaded again")
    assert server.requests == ["/ok.safetensors"]
    path.unlink()
    assert resolve_weights(source).read_bytes() == CONTENT


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
        f"{source}: expected the address to end in #sha256= and 8 to 64 hex digits, "
        "or #sha256=recorded where none are published"
    )
    assert not is_ready_offline(source)


def test_the_cache_is_the_users_unless_the_environment_says_otherwise(cache, monkeypatch):
    assert cache_folder() == cache
    monkeypatch.delenv("FOREGAZE_CACHE")
    assert cache_folder().name == "foregaze"


def test_the_first_digits_of_a_checksum_will_do(server):
    assert resolve_weights(f"{address(server)}#sha256={CHECKSUM[:8]}").read_bytes() == CONTENT
    wrong = f"{address(server)}#sha256=00000000"
    assert message_of(wrong) == f"{address(server)}: SHA-256 is {CHECKSUM}, expected 00000000"


def test_where_no_checksum_is_published_the_first_download_is_held_to(server, cache):
    source = f"{address(server)}#sha256=recorded"
    assert not is_ready_offline(source)
    path = resolve_weights(source)
    assert path.read_bytes() == CONTENT
    assert (path.parent / "sha256").read_text() == f"{CHECKSUM}\n"
    path.write_bytes(b"other")
    assert message_of(source) == (
        f"{path}: differs from the file that was first used here (SHA-256 is "
        f"{hashlib.sha256(b'other').hexdigest()}, was {CHECKSUM}); delete {path.parent / 'sha256'} "
        "to accept it"
    )
    assert server.requests == ["/ok.safetensors"]
    (path.parent / "sha256").unlink()
    assert resolve_weights(source) == path


def test_a_file_put_into_the_cache_by_hand_is_held_to_from_then_on(server, cache):
    source = "https://example.org/big.pth#sha256=recorded"
    target = cached_download(source)
    target.parent.mkdir(parents=True)
    target.write_bytes(CONTENT)
    assert resolve_weights(source) == target
    target.write_bytes(b"other")
    assert "differs from the file that was first used here" in message_of(source)


def test_the_right_file_can_follow_one_that_was_of_no_use(server):
    source = f"{address(server)}#sha256=recorded"
    target = cached_download(source)
    target.parent.mkdir(parents=True)
    target.write_bytes(b"<html>Sign in</html>")
    assert resolve_weights(source) == target
    forget_record(target)
    target.unlink()
    assert resolve_weights(source).read_bytes() == CONTENT
    assert server.requests == ["/ok.safetensors"]
    assert (target.parent / "sha256").read_text() == f"{CHECKSUM}\n"


def test_nothing_is_forgotten_outside_the_cache(tmp_path):
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "sha256").write_text("kept")
    forget_record(tmp_path / "own" / "a.pth")
    assert (tmp_path / "own" / "sha256").read_text() == "kept"


def test_a_download_that_is_cut_short_records_nothing(server, cache):
    source = f"{address(server, 'cut.safetensors')}#sha256=recorded"
    assert f"ended after {len(CONTENT) // 2} of {len(CONTENT)} bytes" in message_of(source)
    assert files_in(cache) == []
