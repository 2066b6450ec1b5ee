from dliflow.machine import lock


def test_tests_that_run_side_by_side_do_not_wait_for_each_other(monkeypatch, tmp_path, capsys):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv(lock.TEST_LOCK_FOLDER, str(tmp_path / "one"))
    with lock.hold(exclusive=True):
        monkeypatch.setenv(lock.TEST_LOCK_FOLDER, str(tmp_path / "two"))
        with lock.hold(exclusive=True):
            assert "waiting" not in capsys.readouterr().err
