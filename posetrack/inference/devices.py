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
    "device_name",
    "full_batches",
    "has_native_bfloat16",
    "has_native_int8",
    "pick_device",
    "pick_precision",
    "precision_name",
]

import ctypes
import platform
import sys
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from posetrack.errors import UsageError, unknown_name

if TYPE_CHECKING:
    import torch

T = TypeVar("T")

_CPU_FLAGS = "/proc/cpuinfo"

DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("auto", "float32", "bfloat16", "float16")
# a GPU's driver, without which PyTorch sees none: NVIDIA's; on Linux the file of AMD's too
_DRIVERS = {"linux": ("libcuda.so.1", "/dev/kfd"), "win32": ("nvcuda.dll",)}
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


def device_name(name: str | torch.device = "auto") -> str:
    """``pick_device`` by its name. PyTorch is loaded only where there may be something to choose.
    Raises UsageError.
    """
    if name == "cpu" or (name == "auto" and "torch" not in sys.modules and not _may_have_gpu()):
        return "cpu"
    return str(pick_device(name))


def _may_have_gpu() -> bool:
    """Whether PyTorch must be asked: not where no driver is installed that it could use."""
    return any(map(_is_there, _DRIVERS[sys.platform])) if sys.platform in _DRIVERS else True


def _is_there(driver: str) -> bool:
    if driver.startswith("/"):
        return Path(driver).exists()
    try:
        ctypes.CDLL(driver)
    except OSError:
        return False
    return True


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

    dtype: torch.dtype = getattr(torch, precision_name(device.type, precision))
    return dtype


def precision_name(device: str, precision: str = "auto") -> str:
    """``pick_precision`` by its name, without PyTorch. Raises UsageError."""
    if precision not in PRECISIONS:
        raise unknown_name("precision", precision, PRECISIONS)
    if precision != "auto":
        return precision
    if device.startswith("cuda"):
        return "float16"
    return "bfloat16" if device == "cpu" and has_native_bfloat16() else "float32"


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
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return False
    if "torch" not in sys.modules and Path(_CPU_FLAGS).exists():  # to load it takes a second
        return any(flag in _listed_flags() for flag in instructions)
    import torch

    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    if capabilities:
        return any(capabilities.get(flag) for flag in instructions)
    return any(flag in _listed_flags() for flag in instructions)


def _listed_flags() -> list[str]:
    """What Linux says of the processor."""
    try:
        with open(_CPU_FLAGS, encoding="ascii", errors="replace") as file:
            return next((line.split() for line in file if line.startswith("flags")), [])
    except OSError:
        return []
