"""The kinds of video files that are written: container, codecs and their settings, by the ending of
the name.

H.264 in MP4 or MOV plays everywhere. With opacity: ProRes 4444 in MOV for editing programs, VP9 in
WebM for browsers.
"""

from __future__ import annotations

__all__ = ["CONTAINERS", "Coding", "Container", "coding_of", "hardware_coding", "hardware_encoders"]

from dataclasses import dataclass, field, replace
from pathlib import Path

from posetrack.errors import UsageError, unknown_name

CRF = 21  # constant quality of x264: 23 is its default, 18 is taken to be indistinguishable
# Half the processor time of "veryfast" at CRF 20 for the same quality (7 against 13 ms a frame of
# 960x540, PSNR 39.6 against 39.7 dB), which is a tenth of a whole run with two people; the files
# are a quarter larger.
PRESET = "superfast"
VP9_CRF = 24  # of 0 to 63: clean edges of overlays
# frames of VP9 by several threads, at the speed its authors give for live coding
VP9_OPTIONS = {"deadline": "good", "cpu-used": "5", "row-mt": "1", "crf": str(VP9_CRF), "b": "0"}


# Constant quality for encoders of hardware, by the end of FFmpeg's name of them (each one's own
# documentation: ``ffmpeg -h encoder=NAME``); their scales are not x264's, but near it.
_HARDWARE_QUALITY = {
    "nvenc": {"rc": "vbr", "cq": "23", "b": "0", "preset": "p4"},
    "qsv": {"global_quality": "23"},
    "amf": {"rc": "cqp", "qp_i": "23", "qp_p": "23"},
    "videotoolbox": {"flags": "+qscale", "global_quality": str(60 * 118)},  # 60 of 100
}
_HARDWARE_CODECS = ("h264", "hevc")
_HARDWARE_LAYOUTS = ("yuv420p", "nv12")  # 8 bits a colour, in this order of preference


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


def hardware_encoders() -> list[str]:
    """The encoders of hardware that this build of PyAV knows; whether the machine has the hardware
    shows when one is opened.
    """
    import av

    names = [f"{codec}_{maker}" for codec in _HARDWARE_CODECS for maker in _HARDWARE_QUALITY]
    return [name for name in names if name in av.codecs_available]


def hardware_coding(coding: Coding, encoder: str) -> Coding:
    """``coding`` by an encoder of ``hardware_encoders``. Raises UsageError for another name, and
    for videos that hardware does not write (opacity, WebM).
    """
    import av

    if encoder not in hardware_encoders():
        raise unknown_name("encoder", encoder, hardware_encoders())
    if coding.codec != _H264.codec:
        raise UsageError(f"{encoder} writes plain MP4 and MOV only; leave out --encode-on.")
    known = {f.name for f in av.Codec(encoder, "w").video_formats or ()}
    layout = next((name for name in _HARDWARE_LAYOUTS if name in known), _H264.pix_fmt)
    quality = _HARDWARE_QUALITY[encoder.partition("_")[2]]
    return replace(coding, codec=encoder, pix_fmt=layout, options=quality)
