"""Where a network runs and in which number format: ``auto`` picks what the machine is good at.

bfloat16 on a processor without instructions for it is emulated and 10 to 70 times slower than
float32 (measured on an AVX2 machine), so it is chosen only where the processor says that it has
them.
"""

from __future__ import annotations

__all__ = [
    "DEVICES",
    "PRECISIONS",
    "check_compiler",
    "full_batches",
    "has_native_bfloat16",
    "has_native_int8",
    "pick_device",
    "pick_precision",
]

import platform
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

from posetrack.errors import UsageError, unknown_name

if TYPE_CHECKING:
    import torch

T = TypeVar("T")

DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("auto", "float32", "bfloat16", "float16")
_NATIVE_FLAGS = (
    "avx512_bf16",
    "amx_bf16",
    "amx_tile",
)  # x86 instruction sets that multiply bfloat16
_INT8_FLAGS = (
    "avx512_vnni",
    "avx_vnni",
    "amx_int8",
)  # x86 instruction sets that multiply and add up bytes


def pick_device(name: str | torch.device = "auto") -> torch.device:
    """The device ``name`` ("cuda:1" too); "auto" is the first of CUDA, MPS and CPU that is there.
    Raises UsageError.
    """
    import torch

    if isinstance(name, torch.device):
        return name
    kind = name.split(":")[0]
    if kind not in DEVICES:
        raise unknown_name("device", name, DEVICES)
    there = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if kind == "auto":
        return torch.device(next(k for k in ("cuda", "mps", "cpu") if there[k]))
    if not there[kind]:
        raise UsageError(
            f"PyTorch sees no {kind} device on this machine; use --device cpu, or --device auto."
        )
    return torch.device(name)


def pick_precision(device: torch.device, precision: str = "auto") -> torch.dtype:
    """The dtype a network should run in: float16 on CUDA, bfloat16 on processors that have it, else
    float32.
    """
    import torch

    if precision not in PRECISIONS:
        raise unknown_name("precision", precision, PRECISIONS)
    if precision != "auto":
        dtype: torch.dtype = getattr(torch, precision)
        return dtype
    if device.type == "cuda":
        return torch.float16
    return torch.bfloat16 if device.type == "cpu" and has_native_bfloat16() else torch.float32


def check_compiler(device: torch.device) -> None:
    """Compile next to nothing. Raises UsageError where this machine cannot, say without a C++
    compiler.
    """
    import torch

    try:
        torch.compile(lambda x: x * 2 + 1)(torch.ones(8, device=device))
    except Exception as error:  # torch has many classes for what a machine lacks
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UsageError(
            f"torch.compile does not work here ({reason}); install a C++ compiler such as g++ "
            f"(on CUDA also Triton), "
            "or go on without it: no --compile, --runtime auto."
        ) from error


def full_batches(
    items: Sequence[T], size: int, device: str | torch.device
) -> Iterator[tuple[Sequence[T], int]]:
    """``items`` in batches of one size, each with the number of its items that count.

    Libraries choose their kernels by the shape of a batch, so that the last bits of a result depend
    on its company. Batches of one size end that: what comes out for an item does not depend on how
    many there are. On a processor the size is 1, because whole pictures gain nothing from more
    (bundled detector, one core: 28 ms each, alone as in eights); elsewhere a last batch is filled
    up with its last item.
    """
    size = 1 if str(device).startswith("cpu") else size
    for start in range(0, len(items), size):
        part = items[start : start + size]
        yield [*part, *[part[-1]] * (size - len(part))], len(part)


def has_native_bfloat16() -> bool:
    """Whether this x86 processor has bfloat16 instructions. Others were not measured: False."""
    return _has_any(_NATIVE_FLAGS)


def has_native_int8() -> bool:
    """Whether this x86 processor adds up products of bytes in one instruction. Others were not
    measured: False.
    """
    return _has_any(_INT8_FLAGS)


def _has_any(instructions: Collection[str]) -> bool:
    """Whether this is an x86 processor with one of these instruction sets."""
    import torch

    if platform.machine().lower() not in ("x86_64", "amd64"):
        return False
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    if capabilities:
        return any(capabilities.get(flag) for flag in instructions)
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
            flags = next((line.split() for line in file if line.startswith("flags")), [])
    except OSError:
        return False
    return any(flag in flags for flag in instructions)
