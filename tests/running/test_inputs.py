"""Lists of inputs: names, patterns, folders, text files, addresses."""

from __future__ import annotations

from pathlib import Path

import pytest

from posetrack.errors import InputError, UsageError
from posetrack.running.inputs import list_inputs, read_list


def _touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def _found(*names: str, out: Path | None = None) -> list[tuple[str, str]]:
    return [(Path(one.name).name, one.under.as_posix()) for one in list_inputs(names, out)]


@pytest.fixture(name="tree", autouse=True)
def _tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    _touch(tmp_path, "v/a.mp4", "v/b/a.mp4", "v/b/c/d.MOV", "v/b/text.txt", "v/.hidden/x.mp4")
    _touch(tmp_path, "v/a.tracked.mp4", "v/.dot.mp4", "p/1.jpg", "p/2.jpg", "clip[1].mp4")
    monkeypatch.chdir(tmp_path)
    return tmp_path


TREE = [("a.mp4", "."), ("a.mp4", "b"), ("d.MOV", "b/c")]


def test_a_folder_is_the_videos_in_it_and_its_tree_is_kept() -> None:
    assert _found("v") == TREE


def test_patterns_go_deep() -> None:
    assert _found("v/**/*.mp4") == TREE[:2]
    assert _found("v/*/*.mp4") == [("a.mp4", "b")]
    assert _found("v/*.mp4") == [("a.mp4", ".")]


def test_folders_and_patterns_of_pictures_stay_one_input() -> None:
    assert _found("p") == [("p", ".")]
    assert _found("p/*.jpg") == [("*.jpg", ".")]
    _touch(Path(), "p/also.mp4")  # that both lie there is told where it is opened
    assert _found("p") == [("p", ".")]


def test_what_exists_under_its_very_name_is_that() -> None:
    assert _found("clip[1].mp4") == [("clip[1].mp4", ".")]


@pytest.mark.parametrize("name", ["0", "rtsp://camera/live", "http://camera/stream", "missing.mp4"])
def test_everything_else_is_left_to_whoever_opens_it(name: str) -> None:
    assert [one.name for one in list_inputs([name])] == [name]


def test_an_empty_folder_is_left_too(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert _found("empty") == [("empty", ".")]


def test_two_trees_do_not_meet() -> None:
    _touch(Path(), "w/a.mp4", "w/b/a.mp4")
    found = _found("v", "w", out=Path("out"))
    assert found == [
        ("a.mp4", "v"),
        ("a.mp4", "v/b"),
        ("d.MOV", "v/b/c"),
        ("a.mp4", "w"),
        ("a.mp4", "w/b"),
    ]


def test_equal_names_but_for_the_ending_get_folders() -> None:
    _touch(Path(), "v/a.mov")
    assert _found("v", out=Path("out")) == [
        ("a.mov", "a.mov"),
        ("a.mp4", "a.mp4"),
        ("a.mp4", "b"),
        ("d.MOV", "b/c"),
    ]
    with pytest.raises(UsageError, match="would write the same files; give an output folder"):
        list_inputs(["v"])


def test_results_in_the_tree_are_no_inputs() -> None:
    _touch(Path(), "v/out/a.mp4")
    assert _found("v", out=Path("v/out")) == TREE
    assert _found("v/**/*.mp4", out=Path("v/out")) == TREE[:2]


def test_each_video_once() -> None:
    assert _found("v", "v/a.mp4") == TREE


def test_the_label_names_file_and_folder(tree: Path) -> None:
    assert list_inputs(["v"])[1].label == "b/a.mp4"
    assert list_inputs([str(tree / "v/a.mp4")])[0].label == "v/a.mp4"


def test_a_text_file(tmp_path: Path) -> None:
    file = tmp_path / "list.txt"
    file.write_bytes("\ufeffv/a.mp4\r\n\n# not this\n  über me.mp4 \n".encode())
    assert read_list(str(file)) == ["v/a.mp4", "über me.mp4"]
    file.write_text("# nothing\n")
    with pytest.raises(InputError, match=r"list\.txt names no input"):
        read_list(str(file))
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="no text in UTF-8"):
        read_list(str(file))
    with pytest.raises(InputError, match="There is no file"):
        read_list(str(tmp_path / "missing.txt"))
