"""What requests are made of: images in memory that all workers of a job share."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import weakref

import numpy as np
import pytest
from project import ROOT, prepared

from dliflow.images import inputs
from dliflow.measuring import feed

ENTRY = {
    **{"height": 8, "width": 8, "layout": "NCHW", "channel_order": "RGB", "mean": [0] * 3, "scale": [1] * 3},
    **{"resize": "squash", "interpolation": "nearest"},
}
PIXELS = np.random.default_rng(0).integers(0, 256, (9, 8, 8, 3), np.uint8)
READY = inputs.make(PIXELS, ENTRY)


def asked(tmp_path, **changes):
    array = prepared(tmp_path / "array.json", PIXELS)
    return argparse.Namespace(**{"array": array, "input": ENTRY, "random_images": None, "distinct": None, **changes})


def test_images_are_those_that_were_prepared_or_random_ones(tmp_path):
    args = asked(tmp_path)
    assert np.array_equal(feed.images(args), READY)
    assert feed.chosen(args) == {"inputs": "images", "distinct_asked": None}
    args = asked(tmp_path, random_images=5, distinct=2)
    assert np.array_equal(feed.images(args), inputs.make(feed.noise(5, ENTRY), ENTRY))
    assert feed.chosen(args) == {"inputs": "random", "distinct_asked": 2}


def test_batches_are_distinct_and_as_many_as_asked():
    for distinct, count in ((None, 4), (1, 1), (3, 3), (50, 4)):
        made = feed.batches(READY, 2, distinct)
        assert len(made) == len({batch.tobytes() for batch in made}) == count
        assert np.array_equal(np.concatenate(made), READY[: 2 * count])


def test_few_images_are_repeated_to_fill_a_batch():
    (batch,) = feed.batches(READY, 12)
    assert batch.flags.c_contiguous
    assert np.array_equal(batch, np.concatenate([READY, READY[:3]]))
    (whole,) = feed.batches(READY, 9)
    assert np.array_equal(whole, READY) and np.shares_memory(whole, READY)


def test_what_is_shared_is_mapped_without_a_copy_and_gone_afterwards():
    with feed.shared(READY) as descriptor:
        ready, other = feed.mapped(descriptor), feed.mapped(descriptor)
        assert np.array_equal(ready, READY) and ready.dtype == np.float32
        assert isinstance(ready, np.memmap)
        for batch in feed.batches(ready, 4):
            assert batch.flags.c_contiguous and batch.flags.aligned
            assert type(batch) is np.ndarray
            assert np.shares_memory(batch, ready)
        feed.batches(ready, 4)[0][:] = -1  # a framework that writes to its input
        assert np.array_equal(other, READY)
    with pytest.raises(OSError):
        os.fstat(descriptor)


def test_what_is_shared_lies_in_memory_once():
    images = READY.copy()
    here = weakref.ref(images)
    with feed.shared(images) as descriptor:
        del images
        assert here() is None
        assert np.array_equal(feed.mapped(descriptor), READY)


def test_another_process_sees_the_same_images():
    code = "import sys; from dliflow.measuring import feed; print(feed.mapped(int(sys.argv[1])).tobytes().hex())"
    with feed.shared(READY) as descriptor:
        seen = subprocess.run(
            [sys.executable, "-c", code, str(descriptor)],
            env={**os.environ, "PYTHONPATH": str(ROOT / "workflow")},
            pass_fds=[descriptor],
            capture_output=True,
            text=True,
            check=True,
            timeout=600,
        )
    assert bytes.fromhex(seen.stdout) == READY.tobytes()


def test_a_record_tells_how_large_the_batches_are(monkeypatch):
    batches = feed.batches(READY, 2)
    for cache, exceeded in ((None, None), (100, True), (10**9, False)):
        monkeypatch.setattr(feed.facts, "last_level_cache_bytes", lambda cache=cache: cache)
        told = feed.described(batches)
        assert told == {"inputs_mib": 8 * 768 / 2**20, "distinct_batches": 4, "inputs_exceed_cache": exceeded}


def test_random_pixels_are_uniform_and_the_same_each_time():
    found = feed.noise(100, ENTRY)
    assert np.array_equal(found, feed.noise(100, ENTRY))
    assert found.shape == (100, 8, 8, 3) and found.dtype == np.uint8
    assert (found.min(), found.max()) == (0, 255)
    assert abs(found.mean() - 127.5) < 2
    assert len({image.tobytes() for image in found}) == 100
