"""Download one file whose checksum is known: resumed where it was cut off, tried again where that can help.

requests makes the connections; the rest is here because no library at hand has it all: pooch checks, but neither
resumes nor bounds, and curl is not on every machine.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Optional
from urllib.parse import unquote, urljoin, urlsplit

import requests
import urllib3

from dliflow.errors import DliflowError
from dliflow.fetching.checksums import mismatch, wanted
from dliflow.files import read_json, write_json
from dliflow.machine import lock

BLOCK = 1 << 16
REDIRECTS = 10
MIRRORS = "DLIFLOW_MIRRORS"
KEPT_FREE = 1 << 28  # bytes of the disk that no download takes
UNKNOWN = 1 << 35  # bytes at most of a file of which neither the registry nor the server tells the size
PASSING = (408, 425, 429, *range(500, 600))  # statuses after which another attempt may go well

Report = Callable[[int, Optional[int]], None]


@dataclass(frozen=True)
class Patience:
    """How long to go on trying.

    Attributes:
        attempts: how many in a row may bring nothing.
        least: bytes that an attempt must bring to count as one that brought something: a server that sends one more
            each time is not tried for days.
        wait_s: seconds before the second one; doubled each time, a minute at most.
        asked_s: a server that asks for a longer wait (Retry-After) is waited for so long at most.
        stall_s: seconds without a single byte after which an attempt is given up; a slow server is waited for.
    """

    attempts: int = 5
    least: int = BLOCK
    wait_s: float = 1.0
    asked_s: float = 300.0
    stall_s: float = 60.0


class _CutOff(Exception):
    """This attempt failed; the next one may not. `asked_s` is for how many seconds the server asks before it."""

    def __init__(self, reason: str, asked_s: float = 0.0):
        super().__init__(reason)
        self.asked_s = asked_s


class _TooMuch(Exception):
    """More came than the file may have; the text is how much."""


def file_name(url: str) -> str:
    """The plain name of the file that a URL names."""
    name = unquote(urlsplit(url).path).rpartition("/")[2]
    return re.sub(r"[^\w.+-]", "_", name).lstrip(".") or "file"


def mirrored(url: str) -> str:
    """The address that is asked in place of a URL, by the variable DLIFLOW_MIRRORS.

    It holds pairs `BEGINNING=BEGINNING`, apart by blanks; the first one that fits counts. Checksums stay what they are.

    Raises:
        DliflowError: for a pair that is none.
    """
    for pair in os.environ.get(MIRRORS, "").split():
        original, _, mirror = pair.partition("=")
        if not all(re.match(r"https?://.", address) for address in (original, mirror)):
            raise DliflowError(f"{MIRRORS}: '{pair}'; right would be https://ORIGINAL/=https://MIRROR/")
        if url.startswith(original):
            return mirror + url.removeprefix(original)
    return url


def target_of(location: dict[str, Any], folder: Path) -> Path:
    """Where a location's file lies once it is there: its name, after a beginning of its checksum."""
    return folder / f"{next(iter(wanted(location).values()))[:16]}-{file_name(location['url'])}"


def _silent(done: int, total: Optional[int]) -> None:
    pass


def fetch(location: dict[str, Any], folder: Path, patience: Patience = Patience(), report: Report = _silent) -> Path:
    """The location's file, downloaded into `folder` unless it lies there already.

    A file that was put there by hand, under its plain name, is taken when its checksum is right; then nothing is asked
    of the network. What an earlier run left of the file is gone on with. Plain http is as good as https here, since the
    checksum is the registry's.

    Args:
        location: `url`, one or more of `sha256` (or its beginning), `sha1`, `md5`, and perhaps `bytes`.
        report: is called with the bytes so far and in all (None when unknown).

    Raises:
        DliflowError: naming the URL, when the file cannot be had, is not the registered one, or has no place.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = target_of(location, folder)
    guard = lock.take(target.with_name(f"{target.name}.lock"), f"{target} is")  # another run may want the same file
    try:
        for path in (target, folder / file_name(location["url"])):
            if path.is_file() and not mismatch(path, location):
                return path
        target.unlink(missing_ok=True)
        _download({**location, "url": mirrored(location["url"])}, target, patience, report)
    finally:
        os.close(guard)
    return target


def _download(location: dict[str, Any], target: Path, patience: Patience, report: Report) -> None:
    url, part = location["url"], _part(target)
    failures, furthest = 0, _size(part)
    while True:
        resumed, asked = _size(part) > 0, 0.0
        try:
            _transfer(location, part, patience.stall_s, report)
            problem = mismatch(part, location)
            if not problem:
                part.replace(target)
                _notes(part).unlink(missing_ok=True)
                return
            _forget(part)
            if not resumed:
                raise DliflowError(f"{url}: {problem}; the file is not the registered one and was removed")
            reason = f"what was put together of several attempts is wrong: {problem}"
        except _CutOff as error:
            reason, asked = str(error), error.asked_s
        if _size(part) >= furthest + patience.least:
            failures, furthest = 0, _size(part)
        failures += 1
        if failures >= patience.attempts:
            raise DliflowError(
                f"{url}: {reason}; given up after {failures} attempts in a row that brought next to nothing; "
                f"{_size(part):,} bytes are kept for the next run"
            )
        wait = max(min(60.0, patience.wait_s * 2 ** (failures - 1)), min(patience.asked_s, asked))
        print(f"{url}: {reason}; next attempt in {wait:g} s, {_size(part):,} bytes are kept", flush=True)
        time.sleep(wait)


def _part(target: Path) -> Path:
    return target.with_name(f"{target.name}.part")


def _notes(part: Path) -> Path:
    """Beside an unfinished file: its `url`, the `validator` that tells whether it changed, its `total` size."""
    return part.with_name(f"{part.name}.json")


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    _notes(part).unlink(missing_ok=True)


def _resumable(part: Path, url: str) -> dict[str, Any]:
    """The notes on an unfinished file that can be gone on with; {} when there is none, and then it is removed."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        notes = read_json(_notes(part))
        if notes["url"] == url and _size(part):
            return notes
    _forget(part)
    return {}


def _transfer(location: dict[str, Any], part: Path, stall_s: float, report: Report) -> None:
    """One attempt: after it `part` is whole.

    Raises:
        _CutOff: when another attempt may go well.
        DliflowError: when none will.
    """
    url = location["url"]
    notes = _resumable(part, url)
    start = _size(part)
    if notes and start == notes["total"]:
        return
    headers = {"Accept-Encoding": "identity"}  # ranges and checksums are those of the file as it lies there
    if notes:
        headers.update({"Range": f"bytes={start}-", "If-Range": notes["validator"]})
    with _connection(url, headers, stall_s) as response:
        if response.status_code == 416:
            _forget(part)
            raise _CutOff("the server has no more of the file than the part that is here")
        _check_status(url, response)
        if response.status_code == 200:
            start = 0  # the file changed, or this server does not resume
        total = _total(response, start)
        bound = location.get("bytes", total)
        if total is not None and total != bound:
            _forget(part)
            raise DliflowError(f"{url}: the server has {total:,} bytes, registered are {bound:,}")
        _check_space(url, part, start, bound)
        validator = _validator(response)
        if validator:
            write_json(_notes(part), {"url": url, "validator": validator, "total": total})
        else:
            _notes(part).unlink(missing_ok=True)  # without it the next attempt begins anew
        with _writing(url, part, bound), open(part, "ab" if start else "wb") as stream:
            _copy(response, stream, start, _most(part, start, bound), bound, report)
    if bound is not None and _size(part) != bound:
        raise _CutOff(f"cut off after {_size(part):,} of {bound:,} bytes")


@contextlib.contextmanager
def _connection(url: str, headers: dict[str, str], stall_s: float) -> Iterator[requests.Response]:
    """The answer to a request, redirects followed, but never from https to http."""
    with requests.Session() as session:
        address = url
        for _ in range(REDIRECTS):
            try:
                response = session.get(
                    address, headers=headers, stream=True, timeout=(stall_s, stall_s), allow_redirects=False
                )
            except requests.exceptions.InvalidURL as error:
                raise DliflowError(f"{url}: {error}") from error
            except requests.RequestException as error:
                raise _CutOff(f"no connection: {error}") from error
            if not response.is_redirect:
                with response:
                    yield response
                return
            following = urljoin(address, response.headers["Location"])
            response.close()
            before, after = (urlsplit(each).scheme for each in (address, following))
            if after not in ("http", "https") or (before == "https" and after != "https"):
                raise DliflowError(f"{url}: is redirected from {before} to {following}, which is refused")
            address = following
        raise DliflowError(f"{url}: more than {REDIRECTS} redirects")


def _check_status(url: str, response: requests.Response) -> None:
    status = f"the server answers {response.status_code} {response.reason}"
    if response.status_code in PASSING:
        asked = _retry_after(response.headers.get("Retry-After", ""))
        raise _CutOff(f"{status} and asks to wait for {asked:.0f} s" if asked else status, asked)
    if response.status_code not in (200, 206):
        raise DliflowError(f"{url}: {status}")


def _retry_after(text: str) -> float:
    """The seconds that a server asks for, by their number or by a date; 0 where it does not, or says nonsense."""
    try:
        return float(min(86_400, urllib3.util.Retry().parse_retry_after(text))) if text else 0.0
    except (urllib3.exceptions.InvalidHeader, ValueError, OverflowError, TypeError):
        return 0.0


def _validator(response: requests.Response) -> str:
    """What tells later whether the file is still the same; a weak ETag does not."""
    tag = response.headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified", "")


def _total(response: requests.Response, start: int) -> Optional[int]:
    """Size of the whole file, as far as the server tells; checks that a partial answer is the part asked for."""
    if response.status_code == 206:
        content_range = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
        if not content_range or int(content_range[1]) != start:
            raise _CutOff(f"the server sends another part ({response.headers.get('Content-Range')}) than was asked for")
        if content_range[2] != "*":
            return int(content_range[2])
    length = response.headers.get("Content-Length", "")
    return start + int(length) if length.isdigit() else None


def _check_space(url: str, part: Path, start: int, size: Optional[int]) -> None:
    free = shutil.disk_usage(part.parent).free
    if size is not None and size - start > free - KEPT_FREE:
        raise DliflowError(
            f"{url}: {part.parent} has {free:,} bytes free, {size - start:,} are needed and {KEPT_FREE:,} more"
        )


def _most(part: Path, start: int, size: Optional[int]) -> int:
    """How many bytes a file may come to have: its size, or, where nobody tells, what leaves the disk usable."""
    free = shutil.disk_usage(part.parent).free
    return max(0, min(UNKNOWN, start + free - KEPT_FREE)) if size is None else size


@contextlib.contextmanager
def _writing(url: str, part: Path, size: Optional[int]) -> Iterator[None]:
    try:
        yield
    except _TooMuch as error:
        _forget(part)
        if size is None:
            raise DliflowError(
                f"{url}: the server tells no size and has sent {error} bytes, more than are taken so; register the "
                "size (bytes: ...), and see that the disk has room for it"
            ) from error
        raise DliflowError(f"{url}: the server sends more than the registered {size:,} bytes") from error
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        free = shutil.disk_usage(part.parent).free
        needed = "an unknown number" if size is None else f"{size - _size(part):,}"
        raise DliflowError(
            f"{url}: the disk is full: {part.parent} has {free:,} bytes free, {needed} more are needed"
        ) from error


def _copy(
    response: requests.Response, stream: BinaryIO, done: int, most: int, total: Optional[int], report: Report
) -> None:
    try:
        for block in response.raw.stream(BLOCK, decode_content=False):
            done += len(block)
            if done > most:
                raise _TooMuch(f"{done:,}")
            stream.write(block)
            report(done, total)
    except urllib3.exceptions.ReadTimeoutError as error:
        raise _CutOff(f"nothing came for a while after {done:,} bytes") from error
    except (urllib3.exceptions.HTTPError, ConnectionError) as error:
        raise _CutOff(f"cut off after {done:,} bytes: {error}") from error
