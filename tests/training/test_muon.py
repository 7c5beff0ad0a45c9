"""Muon: steps of one length in every direction, and plain Adam for what is no inner layer."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from posetrack.training.muon import UPDATE_RMS, Muon, orthogonal

LR = 0.1


@pytest.mark.parametrize("shape", [(24, 216), (48, 24), (32, 32)])
def test_orthogonal_keeps_the_singular_vectors_and_evens_out_the_values(
    shape: tuple[int, int],
) -> None:
    torch.manual_seed(0)
    matrix = torch.randn(shape, dtype=torch.float64)
    u, s, v = torch.linalg.svd(matrix, full_matrices=False)
    result = orthogonal(matrix)
    inside = u.T @ result @ v.T
    assert (inside - torch.diag(inside.diagonal())).abs().max() < 1e-8
    assert s.max() / s.min() > 1.5
    assert 0.6 < inside.diagonal().min() < inside.diagonal().max() < 1.25


def test_the_iteration_on_the_gram_matrix_is_the_published_one() -> None:
    torch.manual_seed(1)
    x = torch.randn(6, 40, dtype=torch.float64)
    expected = x / (x.norm() + 1e-7)
    for _ in range(5):
        gram = expected @ expected.T
        expected = 3.4445 * expected + (-4.7750 * gram + 2.0315 * gram @ gram) @ expected
    torch.testing.assert_close(orthogonal(x), expected)


def _net() -> nn.Sequential:
    torch.manual_seed(2)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, bias=False),
        nn.Conv2d(8, 16, 3, bias=False),
        nn.BatchNorm2d(16),
        nn.Conv2d(16, 5, 1),
    )


def _muon(net: nn.Module, weight_decay: float = 0.0) -> Muon:
    weights = [p for p in net.parameters() if p.ndim > 1]
    others = [p for p in net.parameters() if p.ndim == 1]
    return Muon(
        [
            {"params": weights, "weight_decay": weight_decay},
            {"params": others, "weight_decay": 0.0},
        ],
        LR,
    )


def _moved(net: nn.Module, optimizer: Muon) -> dict[str, Tensor]:
    """How far the first step moves each parameter."""
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    net(torch.randn(2, 3, 9, 9)).square().sum().backward()
    optimizer.step()
    return {name: p.detach() - before[name] for name, p in net.named_parameters()}


def test_inner_layers_move_orthogonally_and_the_others_as_under_adam() -> None:
    net = _net()
    moved = _moved(net, _muon(net))
    values = torch.linalg.svdvals(moved["1.weight"].flatten(1)) / (UPDATE_RMS * LR * 72**0.5)
    assert 0.6 < values.min() <= values.max() < 1.25
    for name in (
        "0.weight",
        "2.bias",
        "3.weight",
        "3.bias",
    ):  # Adam's first step is its rate, whatever the gradient
        torch.testing.assert_close(
            moved[name].abs(), torch.full_like(moved[name], UPDATE_RMS * LR), rtol=1e-3, atol=0
        )


def test_weight_decay_is_decoupled() -> None:
    plain, decayed = _net(), _net()
    torch.manual_seed(3)
    a = _moved(plain, _muon(plain))["1.weight"]
    start = _net()[1].weight.detach()
    torch.manual_seed(3)
    b = _moved(decayed, _muon(decayed, 0.5))["1.weight"]
    torch.testing.assert_close(b - a, -0.5 * LR * start)


def test_it_learns() -> None:
    net = _net()
    optimizer = _muon(net)
    torch.manual_seed(4)
    x, y = torch.randn(8, 3, 9, 9), torch.randn(8, 5, 5, 5)
    losses = []
    for _ in range(40):
        optimizer.zero_grad()
        loss = (net(x) - y).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]
