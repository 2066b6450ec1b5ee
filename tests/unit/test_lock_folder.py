from dliflow import machine


def test_tests_that_run_side_by_side_do_not_wait_for_each_other(monkeypatch, tmp_path, capsys):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv(machine.TEST_LOCK_FOLDER, str(tmp_path / "one"))
    with machine.lock(exclusive=True):
        monkeypatch.setenv(machine.TEST_LOCK_FOLDER, str(tmp_path / "two"))
        with machine.lock(exclusive=True):
            assert "waiting" not in capsys.readouterr().err
