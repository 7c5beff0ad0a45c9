"""Flow: points move as the picture does, whatever the working size; names and weights fail in one
sentence.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from posetrack import flow
from posetrack.errors import UsageError, WeightsError
from posetrack.flow import NetworkFlow, build_flow, flow_names, move_points, still, working_size
from posetrack.structures import Flow


def _texture(size_wh: tuple[int, int], shift_xy: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
    """A picture of smooth blobs, moved by ``shift_xy`` pixels."""
    w, h = size_wh
    noise = np.random.default_rng(0).normal(size=(h + 80, w + 80, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 6)
    matrix = np.float32([[1, 0, shift_xy[0] - 40], [0, 1, shift_xy[1] - 40]])
    moved = cv2.warpAffine(smooth, matrix, (w, h))
    return np.clip(128 + moved / smooth.std() * 50, 0, 255).astype(np.uint8)


def test_points_move_by_the_flow_under_them_scaled_to_full_size() -> None:
    field = np.zeros((4, 8, 2), np.float32)
    field[:, 4:] = (1.0, -2.0)  # the right half moves, in working pixels
    flow = Flow(field, (80, 20))  # working pixels are 10 px wide and 5 px high
    moved = move_points(flow, np.array([[5.0, 5.0], [70.0, 5.0], [np.nan, 1.0]], np.float32))
    np.testing.assert_allclose(moved[:2], [[5.0, 5.0], [80.0, -5.0]])
    assert np.isnan(moved[2, 0])


def test_sampling_is_bilinear_and_clamped_at_the_border() -> None:
    field = np.zeros((1, 2, 2), np.float32)
    field[0, 1, 0] = 1.0
    flow = Flow(field, (2, 1))
    xy = np.array([[0.0, 0.0], [0.25, 0.0], [1.0, 0.0], [-50.0, 0.0], [50.0, 9.0]])
    np.testing.assert_allclose(move_points(flow, xy)[:, 0] - xy[:, 0], [0, 0.25, 1, 0, 1])


def test_points_of_any_shape_and_none() -> None:
    assert move_points(still((10, 10)), np.zeros((3, 15, 2))).shape == (3, 15, 2)
    assert move_points(still((10, 10)), np.zeros((0, 15, 2))).shape == (0, 15, 2)


@pytest.mark.parametrize("name", ["dis", "dis_medium", "dis_ultrafast"])
@pytest.mark.parametrize("long_side", [448, 160])
def test_dis_finds_a_known_shift_at_any_working_size(name: str, long_side: int) -> None:
    shift = (7.0, -4.0)
    flow = build_flow(name, long_side=long_side).estimate(
        [(_texture((320, 240)), _texture((320, 240), shift))]
    )[0]
    assert max(flow.field.shape) == min(long_side, 320)
    points = np.array([[100.0, 100.0], [160.0, 60.0], [200.0, 180.0]])
    np.testing.assert_allclose(
        move_points(flow, points) - points, np.tile(shift, (3, 1)), atol=0.75
    )


def test_a_window_gives_what_single_pairs_give() -> None:
    images = [_texture((160, 120), (2.0 * i, 0)) for i in range(4)]
    pairs = list(pairwise(images))
    dis = build_flow("dis")
    for together, (a, b) in zip(dis.estimate(pairs), pairs, strict=True):
        np.testing.assert_array_equal(together.field, dis.estimate([(a.copy(), b.copy())])[0].field)


def test_none_moves_nothing() -> None:
    flow = build_flow("none").estimate([(_texture((64, 48)), _texture((64, 48), (9, 9)))])[0]
    points = np.array([[3.0, 4.0]])
    np.testing.assert_array_equal(move_points(flow, points), points)


def test_working_size_never_enlarges() -> None:
    assert working_size((1920, 1080), 448) == (448, 252)
    assert working_size((320, 240), 448) == (320, 240)
    assert working_size((4000, 2), 100) == (100, 1)


def test_a_network_gets_rgb_0_1_at_a_size_it_can_halve_and_its_pixels_are_scaled_back() -> None:
    seen: list[tuple[int, ...]] = []

    def run(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        seen.append(tuple(first.shape))
        assert 0 <= float(first.min()) <= float(first.max()) <= 1
        return torch.ones(len(first), 2, *first.shape[2:])

    images = [_texture((640, 360))] * 4
    flows = NetworkFlow(run, long_side=320, batch_size=2).estimate(list(pairwise(images)))
    assert seen == [(1, 3, 192, 320)] * 3  # a processor gains nothing from more
    np.testing.assert_allclose(
        move_points(flows[2], np.array([[10.0, 10.0]])), [[12.0, 10 + 360 / 192]], rtol=1e-6
    )


def test_torchvision_raft_loads_a_file_and_refuses_another_networks(tmp_path) -> None:
    from torchvision.models.optical_flow import raft_small

    torch.save(raft_small(weights=None).state_dict(), tmp_path / "raft.pth")
    flow = build_flow("torchvision_raft_small", checkpoint=tmp_path / "raft.pth", long_side=128)
    assert flow.estimate([(_texture((160, 128)), _texture((160, 128)))])[0].field.shape == (
        128,
        128,
        2,
    )
    torch.save({"a": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match="not weights of torchvision_raft_small"):
        build_flow("torchvision_raft_small", checkpoint=tmp_path / "other.pth")
    (tmp_path / "bad.pth").write_bytes(b"no weights")
    with pytest.raises(WeightsError, match="cannot be read"):
        build_flow("torchvision_raft_small", checkpoint=tmp_path / "bad.pth")


def test_missing_weights_name_the_address_and_the_place(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(WeightsError, match=rf"--offline.*https://\S+raft_large\S+ .*{tmp_path}"):
        build_flow("torchvision_raft_large", offline=True)
    with pytest.raises(WeightsError, match="no flow weights at"):
        build_flow("torchvision_raft_small", checkpoint=tmp_path / "nothing.pth")


def test_ptlflow_models_by_name_and_nothing_on_standard_output(tmp_path, capsys) -> None:
    names = flow_names()
    assert {"flownet2", "raft_small", "dis", "none", "torchvision_raft_large"} <= set(names)
    with pytest.raises(UsageError, match=r"Unknown flow 'raft_smal'.*did you mean 'raft_small'"):
        build_flow("raft_smal")
    import ptlflow

    torch.save(
        {"state_dict": ptlflow.get_model("raft_small").state_dict()}, tmp_path / "raft_small.ckpt"
    )
    flow = build_flow("raft_small", checkpoint=tmp_path / "raft_small.ckpt", long_side=128)
    assert flow.estimate([(_texture((128, 128)), _texture((128, 128)))])[0].field.shape == (
        128,
        128,
        2,
    )
    assert capsys.readouterr() == ("", "")


def test_settings_of_a_ptlflow_checkpoint_are_honoured(tmp_path: Path) -> None:
    import ptlflow

    net = ptlflow.get_model("raft_small")
    settings = {"train_size": (368, 768), "extra_params": {"mine": 3}}
    content = {"state_dict": net.state_dict(), "hyper_parameters": settings}
    torch.save(content, tmp_path / "raft_small.ckpt")
    made: list[object] = []
    original = ptlflow.get_model

    def remembered(name: str) -> object:
        made.append(original(name))
        return made[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ptlflow, "get_model", remembered)
        flow.build_flow("raft_small", checkpoint=tmp_path / "raft_small.ckpt", device="cpu")
    assert made[0].train_size == (368, 768)  # type: ignore[attr-defined]
    assert made[0].extra_params == {"mine": 3}  # type: ignore[attr-defined]


def test_downloads_are_verified_by_the_hash_in_their_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import hashlib

    torch.save({"a": torch.zeros(1)}, tmp_path / "there.ckpt")
    good = hashlib.sha256((tmp_path / "there.ckpt").read_bytes()).hexdigest()[:8]
    base = (tmp_path / "there.ckpt").as_uri()
    target = tmp_path / "cache" / f"net-{good}.ckpt"
    flow._download(base, target, offline=False)
    assert target.is_file()
    with pytest.raises(WeightsError, match="is corrupt"):
        flow._download(base, tmp_path / "cache" / "net-00000000.ckpt", offline=False)
    assert not (tmp_path / "cache" / "net-00000000.ckpt").exists()
    with pytest.raises(WeightsError, match="cannot be verified"):
        flow._download(base, tmp_path / "cache" / "net.ckpt", offline=False)
    assert [p.name for p in (tmp_path / "cache").iterdir()] == [target.name]


@pytest.mark.parametrize(
    "address",
    [
        "https://example.org/net.pth",
        "http://example.org/net-0123abcd.pth",
        "ftp://example.org/net-0123abcd.pth",
        "https://example.org/net.pth?is=-0123abcd.",
        "https://example.org/",
    ],
)
def test_an_address_that_cannot_be_verified_is_not_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    def asked(*_: object, **__: object) -> None:
        raise AssertionError("a download began")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(flow, "fetch", asked)
    with pytest.raises(WeightsError, match=r"cannot be verified.*give the file"):
        build_flow("torchvision_raft_small", checkpoint=address)
    assert not list(tmp_path.iterdir())


def test_every_published_address_can_be_verified() -> None:
    import ptlflow

    from posetrack.flow import _verifiable_name

    models = [ptlflow.get_model_reference(name) for name in ptlflow.get_model_names()]
    tables = [getattr(model, "pretrained_checkpoints", None) or {} for model in models]
    published = [url for table in tables for url in table.values()]
    assert len(published) > 100
    assert all(_verifiable_name(url) for url in published)
