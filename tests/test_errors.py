from __future__ import annotations

import os
import subprocess
import sys

import pytest

from posetrack import errors
from posetrack.cli import main
from posetrack.errors import FormatError, InputError, PosetrackError, UsageError, unknown_name


def test_exit_codes() -> None:
    codes = {name: getattr(errors, name).exit_code for name in errors.__all__ if name[0].isupper()}
    assert codes == {
        "FormatError": 1,
        "InputError": 1,
        "OutputError": 1,
        "PosetrackError": 1,
        "TrainingError": 1,
        "UsageError": 2,
        "WeightsError": 1,
        "WrongTypeError": 2,
    }


def test_the_tree() -> None:
    for name in errors.__all__:
        if name[0].isupper():
            assert issubclass(getattr(errors, name), PosetrackError)
    assert issubclass(FormatError, InputError)


def test_unknown_name_lists_and_guesses() -> None:
    error = unknown_name("tracker", "flwo", ["oks", "flow", "iou"])
    assert isinstance(error, UsageError)
    assert str(error) == "Unknown tracker 'flwo'; did you mean 'flow'? Known: flow, iou, oks."


def test_unknown_name_without_a_close_one() -> None:
    assert (
        str(unknown_name("network", "zzz", ["hrnet_w32"]))
        == "Unknown network 'zzz'. Known: hrnet_w32."
    )


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    code = f"from posetrack.cli import main; main({list(arguments)!r})"
    return subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False
    )


def test_unknown_verb_is_one_sentence() -> None:
    done = _run("trakc")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("Error: Unknown command 'trakc'; did you mean 'track'?")
    assert "Traceback" not in done.stderr


def test_unknown_option_is_a_usage_error() -> None:
    done = _run("--no-such-option")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_debug_shows_the_traceback() -> None:
    done = _run("--debug", "trakc")
    assert done.returncode != 0
    assert "Traceback" in done.stderr


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out.startswith("posetrack ")


@pytest.mark.parametrize(
    ("given", "spins"),
    [({}, "5000"), ({"OMP_WAIT_POLICY": "ACTIVE"}, None), ({"GOMP_SPINCOUNT": "7"}, "7")],
)
def test_threads_soon_sleep_unless_the_user_says_otherwise(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], spins: str | None
) -> None:
    """OpenMP threads that spin for long make a run many times slower beside any other
    busy program.
    """
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        monkeypatch.setenv(name, "")  # so that what main() sets is taken back after the test
        monkeypatch.delenv(name)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as done:
        main(["--version"])
    assert done.value.code == 0
    assert os.environ.get("GOMP_SPINCOUNT") == spins
