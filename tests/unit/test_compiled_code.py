"""The folder in which PyTorch keeps the code that it compiles, and runs again: it must be the user's own."""

from __future__ import annotations

import os
import sys
from types import SimpleNamespace

import pytest

from dliflow.errors import DliflowError
from dliflow.frameworks import pytorch

MODULES = ("torch", "torch._inductor", "torch._inductor.runtime", "torch._inductor.runtime.cache_dir_utils")


def test_another_user_s_folder_of_compiled_code_is_refused(tmp_path, monkeypatch):
    """Seen: PyTorch takes any folder of a name that can be guessed, in a place where all users can make folders."""
    folder, link = tmp_path / "torchinductor_me", tmp_path / "link"
    folder.mkdir(mode=0o755)
    link.symlink_to(folder)
    for name in MODULES:
        monkeypatch.setitem(sys.modules, name, SimpleNamespace(cache_dir=lambda: str(link)))
    pytorch._check_cache()
    folder.chmod(0o757)
    with pytest.raises(DliflowError, match=r"link: another user can write there, .* TORCHINDUCTOR_CACHE_DIR"):
        pytorch._check_cache()
    folder.chmod(0o755)
    user = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: user + 1)
    with pytest.raises(DliflowError, match="another user can write there"):
        pytorch._check_cache()
