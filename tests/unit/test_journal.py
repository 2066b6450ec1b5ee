"""Records that survive a kill."""

from __future__ import annotations

import numpy as np

from dliflow.journal import Journal


def test_what_was_synced_is_there_again_and_the_rest_is_not(tmp_path):
    folder = tmp_path / "partial"
    with Journal(folder, "key", "<i4") as journal:
        journal.add(np.arange(5))
        journal.sync()
        journal.add(np.arange(100))
        journal.records()  # on the disk, but not in the state
        state = (folder / "state.json").read_bytes()
    (folder / "state.json").write_bytes(state)  # as a kill would have left it
    with open(folder / "records.bin", "ab") as stream:
        stream.write(b"\1\2\3")
    with Journal(folder, "key", "<i4") as journal:
        assert journal.count == 5
        journal.add(np.array([7]))
        assert journal.records().tolist() == [0, 1, 2, 3, 4, 7]
    journal.remove()
    assert not folder.exists()


def test_an_error_keeps_what_was_added(tmp_path):
    try:
        with Journal(tmp_path / "partial", "key", "<i4") as journal:
            journal.add(np.arange(3))
            raise RuntimeError
    except RuntimeError:
        pass
    with Journal(tmp_path / "partial", "key", "<i4") as journal:
        assert journal.count == 3


def test_another_key_begins_anew(tmp_path):
    with Journal(tmp_path / "partial", "key", "<i4") as journal:
        journal.add(np.arange(3))
    (tmp_path / "partial/other").write_text("")
    with Journal(tmp_path / "partial", "other", "<i4") as journal:
        assert journal.count == 0
        assert not (tmp_path / "partial/other").exists()
