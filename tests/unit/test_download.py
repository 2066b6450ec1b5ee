"""Downloads from a real HTTP server on loopback that misbehaves in every way that servers do."""

from __future__ import annotations

import email.utils
import errno
import hashlib
import http.server
import random
import re
import ssl
import subprocess
import threading
import time
from pathlib import Path

import pytest

from dliflow.errors import DliflowError
from dliflow.fetching import download
from dliflow.fetching.checksums import checksum
from dliflow.fetching.download import Patience, fetch, file_name, target_of

CONTENT = random.Random(0).randbytes(400_000)
OTHER = random.Random(1).randbytes(400_000)
SHORT = Patience(attempts=3, wait_s=0.01)


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers as the first of the server's `script` says, or well when there is nothing left of it."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        server = self.server
        server.requests.append(dict(self.headers))
        fault = server.script.pop(0) if server.script else {}
        self.answer(**fault)

    def answer(
        self, content=CONTENT, status=None, cut=None, length=None, ranges=True, tag='"one"', stall=0.0, drip=0.0,
        location=None, chunked=False, shift=0, retry_after=None,
    ):  # fmt: skip
        start = 0
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if asked and ranges and self.headers.get("If-Range") == tag:
            start = int(asked[1])
        if start >= len(content):
            status = 416
        body = content[start:] if status in (None, 206) else b"no"
        self.send_response(status or (206 if start else 200))
        if location:
            self.send_header("Location", location)
        if retry_after is not None:
            self.send_header("Retry-After", retry_after)
        if tag:
            self.send_header("ETag", tag)
        if start and not status:
            self.send_header("Content-Range", f"bytes {start + shift}-{len(content) - 1}/{len(content)}")
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if stall:
            self.wfile.write(body[:1000])
            time.sleep(stall)
            self.close_connection = True
            return
        if cut is not None:
            self.wfile.write(body[:cut])
            self.close_connection = True
            return
        for first in range(0, len(body), 20_000):
            part = body[first : first + 20_000]
            self.wfile.write(b"%x\r\n%b\r\n" % (len(part), part) if chunked else part)
            time.sleep(drip)
        if chunked:
            self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *arguments):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.script, self.requests = [], []

    def handle_error(self, request, client_address):
        pass  # a client that went away

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/models/net%20v1.bin?download=1"


@pytest.fixture
def server():
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield server
        server.shutdown()


def located(server, content=CONTENT, **more):
    return {"url": server.url, "sha256": hashlib.sha256(content).hexdigest(), **more}


def nothing_left(folder):
    return [path.name for path in folder.iterdir() if not path.name.endswith(".lock")] == []


def test_a_good_server(server, tmp_path):
    seen = []
    path = fetch(located(server, bytes=len(CONTENT)), tmp_path, SHORT, lambda done, total: seen.append((done, total)))
    assert path.read_bytes() == CONTENT
    assert path.name == f"{hashlib.sha256(CONTENT).hexdigest()[:16]}-net_v1.bin"
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert sorted(p.suffix for p in tmp_path.iterdir()) == [".bin", ".lock"]
    fetch(located(server), tmp_path, SHORT)
    assert len(server.requests) == 1  # what is there is not fetched again


def test_on_a_file_system_without_locks_it_is_fetched_and_that_is_told(server, tmp_path, monkeypatch, capsys):
    def refused(*_):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(download.lock, "wait_for", refused)
    assert fetch(located(server), tmp_path, SHORT).read_bytes() == CONTENT
    assert ".lock cannot be locked (Function not implemented): let no other run" in capsys.readouterr().out


@pytest.mark.parametrize("algorithm", ["sha256", "sha1", "md5"])
def test_every_kind_of_checksum(server, tmp_path, algorithm):
    digest = hashlib.new(algorithm, CONTENT).hexdigest()
    digest = digest[:8] if algorithm == "sha256" else digest  # PyTorch publishes that much
    assert fetch({"url": server.url, algorithm: digest}, tmp_path, SHORT).read_bytes() == CONTENT
    wrong = ("0" if digest[0] != "0" else "1") + digest[1:]
    with pytest.raises(DliflowError, match=rf"{algorithm} is {digest}.*, wanted {wrong}; .* was removed"):
        fetch({"url": server.url, algorithm: wrong}, tmp_path, SHORT)


def test_cut_off_in_the_middle_goes_on_from_there(server, tmp_path):
    server.script = [{"cut": 200_000}, {"cut": 100_000}]
    assert fetch(located(server), tmp_path, SHORT).read_bytes() == CONTENT
    ranges = [request.get("Range") for request in server.requests]
    offsets = [int(text.removeprefix("bytes=").rstrip("-")) for text in ranges[1:]]
    assert ranges[0] is None
    assert 100_000 < offsets[0] <= 200_000 < offsets[1] <= 300_000


def test_a_later_run_goes_on_too(server, tmp_path):
    server.script = [{"cut": 200_000}]
    with pytest.raises(DliflowError, match=r"cut off after .* given up after 1 attempts"):
        fetch(located(server), tmp_path, Patience(attempts=1))
    assert fetch(located(server), tmp_path, SHORT).read_bytes() == CONTENT
    assert "Range" in server.requests[1]


def test_many_cuts_are_borne_as_long_as_something_comes(server, tmp_path):
    server.script = [{"cut": 70_000} for _ in range(5)]
    assert fetch(located(server), tmp_path, Patience(attempts=2, wait_s=0.01)).read_bytes() == CONTENT


def test_a_changed_file_is_begun_anew(server, tmp_path):
    server.script = [{"cut": 200_000, "content": OTHER, "tag": '"zero"'}]
    assert fetch(located(server), tmp_path, SHORT).read_bytes() == CONTENT
    assert server.requests[1]["If-Range"] == '"zero"'


def test_a_part_that_is_wrong_though_its_tag_is_the_same_is_begun_anew(server, tmp_path):
    server.script = [{"cut": 200_000, "content": OTHER}]
    assert fetch(located(server), tmp_path, SHORT).read_bytes() == CONTENT
    assert ["Range" in request for request in server.requests] == [False, True, False]


def test_a_server_that_ignores_ranges(server, tmp_path):
    server.script = [{"cut": 200_000}, {"ranges": False}]
    assert fetch(located(server), tmp_path, SHORT).read_bytes() == CONTENT


def test_a_server_that_sends_another_range(server, tmp_path):
    server.script = [{"cut": 200_000}, {"shift": -5}]
    assert fetch(located(server), tmp_path, SHORT).read_bytes() == CONTENT


def test_without_a_tag_nothing_is_put_together(server, tmp_path):
    server.script = [{"cut": 200_000, "tag": None}]
    assert fetch(located(server), tmp_path, SHORT).read_bytes() == CONTENT
    assert "Range" not in server.requests[1]


def test_wrong_bytes_are_removed(server, tmp_path):
    server.script = [{"content": OTHER}]
    with pytest.raises(DliflowError, match=rf"sha256 is {hashlib.sha256(OTHER).hexdigest()}, wanted"):
        fetch(located(server), tmp_path, SHORT)
    assert nothing_left(tmp_path)
    assert len(server.requests) == 1


def test_another_size_than_the_registered_one(server, tmp_path):
    with pytest.raises(DliflowError, match="the server has 400,000 bytes, registered are 399,999"):
        fetch(located(server, bytes=399_999), tmp_path, SHORT)
    assert nothing_left(tmp_path)
    server.script = [{"chunked": True}]
    with pytest.raises(DliflowError, match="sends more than the registered 399,999 bytes"):
        fetch(located(server, bytes=399_999), tmp_path, SHORT)
    assert nothing_left(tmp_path)


def test_a_content_length_beyond_the_file_ends_in_one_error(server, tmp_path):
    server.script = [{"length": len(CONTENT) + 7, "cut": len(CONTENT), "ranges": False} for _ in range(9)]
    with pytest.raises(DliflowError, match=r"cut off after .* given up after 3 attempts"):
        fetch(located(server), tmp_path, SHORT)


def test_chunks_without_a_length(server, tmp_path):
    server.script = [{"chunked": True}]
    assert fetch(located(server), tmp_path, SHORT).read_bytes() == CONTENT


def test_404_is_not_tried_again(server, tmp_path):
    server.script = [{"status": 404}]
    with pytest.raises(DliflowError, match="the server answers 404 Not Found"):
        fetch(located(server), tmp_path, SHORT)
    assert len(server.requests) == 1


def test_503_is_tried_again(server, tmp_path):
    server.script = [{"status": 503}, {"status": 429}]
    assert fetch(located(server), tmp_path, SHORT).read_bytes() == CONTENT
    server.script = [{"status": 503} for _ in range(9)]
    with pytest.raises(DliflowError, match="503 Service Unavailable; given up after 3 attempts"):
        fetch({**located(server), "url": server.url.replace("net", "web")}, tmp_path / "other", SHORT)


@pytest.mark.parametrize(
    ("status", "retry_after", "waits"),
    [
        (503, "7", 7),
        (429, "7", 7),
        (429, " 2 ", 2),
        (503, "date:200", 200),
        (503, "100000", 300),  # no longer than that
        (503, "0", 0.01),
        (503, "date:-9999", 0.01),
        (503, "soon", 0.01),
        (503, "Mon, 99 Foo 99999999999 00:00:00 GMT", 0.01),
        (503, "9" * 400, 300),
    ],
)
def test_a_server_that_asks_to_wait_is_given_the_time(
    server, tmp_path, monkeypatch, capsys, status, retry_after, waits
):
    waited = []
    monkeypatch.setattr("dliflow.fetching.download.time.sleep", waited.append)
    if retry_after.startswith("date:"):
        seconds = time.time() + int(retry_after.removeprefix("date:"))
        retry_after = email.utils.formatdate(seconds, usegmt=True)
    server.script = [{"status": status, "retry_after": retry_after}]
    assert fetch(located(server), tmp_path, SHORT).read_bytes() == CONTENT
    (wait,) = (seconds for seconds in waited if seconds)  # the server of this test sleeps too
    assert wait == pytest.approx(waits, abs=100 if waits == 200 else 0)
    output = capsys.readouterr().out
    assert f"the server answers {status}" in output
    assert ("asks to wait for" in output) == (waits > 1)
    assert f"next attempt in {wait:g} s" in output


def test_a_byte_more_each_time_is_next_to_nothing(server, tmp_path):
    server.script = [{"cut": 1} for _ in range(99)]
    with pytest.raises(DliflowError, match=r"given up after 3 attempts .* next to nothing; .* bytes are kept"):
        fetch(located(server), tmp_path, SHORT)
    assert len(server.requests) == 3


def test_a_stall_is_given_up_and_gone_on_with(server, tmp_path):
    server.script = [{"stall": 100}]
    started = time.monotonic()
    patience = Patience(attempts=99, wait_s=0.01, stall_s=0.3)  # a busy machine may stall a good answer, too
    assert fetch(located(server), tmp_path, patience).read_bytes() == CONTENT
    assert time.monotonic() - started < 60
    assert len(server.requests) > 1


def test_a_slow_server_is_waited_for(server, tmp_path):
    server.script = [{"drip": 0.12}]
    patience = Patience(attempts=1, stall_s=2)
    started = time.monotonic()
    assert fetch(located(server), tmp_path, patience).read_bytes() == CONTENT
    assert time.monotonic() - started > patience.stall_s
    assert len(server.requests) == 1


def test_nobody_there(server, tmp_path):
    location = {"url": "http://127.0.0.1:9/a.bin", "md5": "0" * 32}
    with pytest.raises(DliflowError, match=r"127\.0\.0\.1:9/a\.bin: no connection: .* given up after 3 attempts"):
        fetch(location, tmp_path, SHORT)


def test_put_there_by_hand(tmp_path):
    """Offline: nothing listens at that port."""
    location = {"url": "http://127.0.0.1:9/a.bin", "md5": hashlib.md5(CONTENT).hexdigest()}
    for path in (tmp_path / "a.bin", target_of(location, tmp_path)):
        path.write_bytes(CONTENT)
        assert fetch(location, tmp_path, SHORT) == path
        path.unlink()


def test_redirects(server, tmp_path):
    server.script = [{"status": 302, "location": "/elsewhere"}]
    assert fetch(located(server), tmp_path, SHORT).read_bytes() == CONTENT
    server.script = [{"status": 302, "location": "/round"} for _ in range(20)]
    with pytest.raises(DliflowError, match="more than 10 redirects"):
        fetch(located(server), tmp_path / "other", SHORT)


def test_a_redirect_from_https_to_http_is_refused(server, tmp_path, monkeypatch):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("there is no openssl to make a certificate with")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with Server() as secure:
        secure.socket = context.wrap_socket(secure.socket, server_side=True)
        secure.script = [{}, {"status": 301, "location": server.url}]
        threading.Thread(target=secure.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        location = {**located(server), "url": f"https://localhost:{secure.server_port}/a.bin"}
        assert fetch(location, tmp_path / "good", SHORT).read_bytes() == CONTENT
        with pytest.raises(DliflowError, match=r"redirected from https to http://127\.0\.0\.1"):
            fetch(location, tmp_path / "bad", SHORT)
        secure.shutdown()
    assert server.requests == []


@pytest.mark.parametrize("address", ["file:///etc/passwd", "ftp://localhost/a", "data:,a"])
def test_a_redirect_to_what_is_no_server_of_the_web_is_refused_at_once(server, tmp_path, address):
    """Seen: it was tried again for minutes."""
    server.script = [{"status": 302, "location": address}]
    with pytest.raises(DliflowError, match=rf"redirected from http to {address}, which is refused"):
        fetch(located(server), tmp_path, SHORT)
    assert len(server.requests) == 1


@pytest.mark.parametrize("bound", ["UNKNOWN", "KEPT_FREE"])
def test_a_file_of_no_known_size_leaves_the_disk_usable(server, tmp_path, monkeypatch, bound):
    """Seen: it filled the disk."""
    usage = download.shutil.disk_usage(tmp_path)._replace(free=10**9)  # others write on the real disk meanwhile
    monkeypatch.setattr(download.shutil, "disk_usage", lambda path: usage)
    monkeypatch.setattr(download, bound, 100_000 if bound == "UNKNOWN" else 10**9 - 100_000)
    server.script = [{"chunked": True}]
    with pytest.raises(DliflowError, match=r"tells no size and has sent [\d,]+ bytes, more than are taken so"):
        fetch(located(server), tmp_path, SHORT)
    assert nothing_left(tmp_path)


def test_no_place_on_the_disk(server, tmp_path):
    server.script = [{"length": 10**18}]
    with pytest.raises(DliflowError, match=r"bytes free, 1,000,000,000,000,000,000 are needed"):
        fetch(located(server), tmp_path, SHORT)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_disk_that_fills_up(server, tmp_path, monkeypatch):
    def full(path, mode):
        return open("/dev/full" if str(path).endswith(".part") and mode != "rb" else path, mode)

    monkeypatch.setattr("dliflow.fetching.download.open", full, raising=False)
    with pytest.raises(DliflowError, match=r"the disk is full: .* bytes free, 400,000 more are needed"):
        fetch(located(server), tmp_path, SHORT)


def test_names():
    assert file_name("https://h/a/b%2Fc.tar.gz?x=1#y") == "c.tar.gz"
    assert file_name("https://h/") == "file"
    assert file_name("https://h/.hidden") == "hidden"


def test_checksum(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert checksum(tmp_path / "a", "md5") == "900150983cd24fb0d6963f7d28e17f72"


@pytest.mark.parametrize("notes", ["", "{", "[]", "{}", "null"])
def test_notes_on_an_unfinished_file_that_are_damaged_are_dropped(tmp_path, notes):
    part = tmp_path / "a.part"
    part.write_bytes(b"half")
    (tmp_path / "a.part.json").write_text(notes)
    assert download._resumable(part, "http://example.org/a") == {}
    assert not list(tmp_path.iterdir())


def test_a_mirror_is_asked_in_place_of_the_address(server, tmp_path, monkeypatch):
    monkeypatch.setenv(
        download.MIRRORS, f"https://other.invalid/=http://x/ https://weights.invalid/={server.url[:-28]}"
    )
    location = {**located(server), "url": "https://weights.invalid/models/net%20v1.bin"}
    assert fetch(location, tmp_path, SHORT).name.endswith("-net_v1.bin")
    wrong = {**location, "sha256": "0" * 64}  # a mirror is trusted no more than the place itself
    with pytest.raises(DliflowError, match=r"^http://127\.0\.0\.1:.*wanted 0000"):
        fetch(wrong, tmp_path, SHORT)


def test_a_mirror_without_an_address_is_refused(monkeypatch):
    monkeypatch.setenv(download.MIRRORS, "download.pytorch.org=mirror")
    with pytest.raises(DliflowError, match=r"DLIFLOW_MIRRORS: 'download\.pytorch\.org=mirror'; right would be"):
        download.mirrored("https://download.pytorch.org/models/x.pth")
