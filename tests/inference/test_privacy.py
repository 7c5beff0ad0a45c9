"""No library that is imported on the way looks anything up or writes into the home folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import socket, sys
def told(*args, **kwargs):
    print("LOOKUP", args[:1], file=sys.stdout, flush=True)
    raise OSError("no network here")
socket.getaddrinfo = socket.gethostbyname = socket.create_connection = told
socket.socket.connect = told
from posetrack.inference.privacy import no_calls_home
no_calls_home()
try:
    import {module}
except ImportError:
    print("absent")
import time
{then}
"""


@pytest.mark.parametrize(
    ("module", "then"),
    [
        ("openvino", "openvino.Core(); time.sleep(0.5)"),
        ("lightning.fabric", "lightning.fabric.Fabric(accelerator='cpu')"),
        ("ptlflow", "ptlflow.get_model_names()"),
        ("ray", ""),
        ("torch", ""),
        ("torchvision", ""),
    ],
)
def test_nothing_calls_home(module: str, then: str, tmp_path: Path) -> None:
    env = {
        **os.environ,
        "HOME": str(tmp_path),
        "USERPROFILE": str(tmp_path),
        "OMP_NUM_THREADS": "1",
    }
    for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"):
        env.pop(name, None)
    code = CODE.format(
        module=module, then=f"if {module.split('.')[0]!r} in sys.modules: {then}" if then else ""
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "LOOKUP" not in done.stdout + done.stderr
    kept = [p for p in tmp_path.rglob("*") if p.is_file() and ".cache/matplotlib" not in str(p)]
    assert [p for p in kept if "fontlist" not in p.name] == []
