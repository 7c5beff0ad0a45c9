"""The kinds of video files that are written: container, codecs and their settings, by the ending of
the name.

H.264 in MP4 or MOV plays everywhere. With opacity: ProRes 4444 in MOV for editing programs, VP9 in
WebM for browsers.
"""

from __future__ import annotations

__all__ = ["CONTAINERS", "Coding", "Container", "coding_of"]

from dataclasses import dataclass, field
from pathlib import Path

from posetrack.errors import UsageError

CRF = 21  # constant quality of x264: 23 is its default, 18 is taken to be indistinguishable
# Half the processor time of "veryfast" at CRF 20 for the same quality (7 against 13 ms a frame of
# 960x540, PSNR 39.6 against 39.7 dB), which is a tenth of a whole run with two people; the files
# are a quarter larger.
PRESET = "superfast"
VP9_CRF = 24  # of 0 to 63: clean edges of overlays
# frames of VP9 by several threads, at the speed its authors give for live coding
VP9_OPTIONS = {"deadline": "good", "cpu-used": "5", "row-mt": "1", "crf": str(VP9_CRF), "b": "0"}


@dataclass(frozen=True, slots=True)
class Coding:
    """How pictures become a stream: the codec's name, its pixel format, whether the pixel format
    wants even sizes, and options.
    """

    codec: str
    pix_fmt: str
    even: bool
    options: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Container:
    """FFmpeg's name of the format, its options, how plain pictures and those with opacity are coded
    (None: not at all), and which sound it holds; other sound is coded as ``sound_fallback``.
    """

    name: str
    plain: Coding
    alpha: Coding | None
    sound: frozenset[str]
    sound_fallback: str
    options: dict[str, str] = field(default_factory=dict)


_H264 = Coding("libx264", "yuv420p", True, {"preset": PRESET, "crf": str(CRF)})
_PRORES = Coding("prores_ks", "yuva444p10le", False, {"profile": "4444", "vendor": "apl0"})
_VP9 = Coding("libvpx-vp9", "yuv420p", True, VP9_OPTIONS)
# no frames that are only referred to: opacity has a stream of its own that knows none
_VP9_ALPHA = Coding("libvpx-vp9", "yuva420p", True, {**VP9_OPTIONS, "auto-alt-ref": "0"})
_FASTSTART = {"movflags": "+faststart"}

CONTAINERS: dict[str, Container] = {
    ".mp4": Container(
        "mp4", _H264, None, frozenset("aac mp3 ac3 eac3 alac opus flac".split()), "aac", _FASTSTART
    ),
    ".mov": Container(
        "mov", _H264, _PRORES, frozenset("aac mp3 ac3 eac3 alac".split()), "aac", _FASTSTART
    ),
    ".webm": Container("webm", _VP9, _VP9_ALPHA, frozenset("opus vorbis".split()), "libopus"),
}


def coding_of(path: Path, *, alpha: bool) -> tuple[Container, Coding]:
    """Container and coding for a file by its name. Raises UsageError where it cannot hold that."""
    container = CONTAINERS.get(path.suffix.lower())
    if container is None:
        raise UsageError(f"{path} must end in one of {', '.join(CONTAINERS)} to be a video.")
    if not alpha:
        return container, container.plain
    if container.alpha is None:
        able = ", ".join(suffix for suffix, c in CONTAINERS.items() if c.alpha)
        raise UsageError(
            f"{path} cannot hold a transparent background; let its name end in one of {able}."
        )
    return container, container.alpha
