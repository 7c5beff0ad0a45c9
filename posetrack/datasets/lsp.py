"""Leeds Sports Poses and its extended set: ``joints.mat`` beside ``images/im0001.jpg`` ... (LSPET:
``im00001.jpg``).

LSP has one array (3, 14, N): x, y and a flag of every joint, all labelled. LSPET has (14, 3, N),
and a flag of 0 says that a joint is not labelled. People have no boxes: the one around their joints
is extended, as for PoseTrack.
"""

from __future__ import annotations

__all__ = ["read"]

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from posetrack.datasets.images import ImageStore
from posetrack.datasets.people import ABSENT, VISIBLE, Person, PersonSet
from posetrack.errors import FormatError
from posetrack.geometry import keypoint_boxes
from posetrack.skeletons import LSP_14

LABELS = "joints.mat"
DIGITS = {True: 5, False: 4}  # of the numbers in image names: LSPET, LSP
JOINTS = len(LSP_14)


def read(path: Path) -> PersonSet:
    """The people of a ``joints.mat`` or of the folder with it, in its order. Raises InputError,
    FormatError.
    """
    from scipy.io import loadmat

    file = path / LABELS if path.is_dir() else path
    try:
        joints: npt.NDArray[Any] = np.asarray(loadmat(file)["joints"], np.float64)
    except (OSError, KeyError, ValueError, TypeError, NotImplementedError) as error:
        raise FormatError(
            f"{file} is no {LABELS} of LSP or LSPET ({type(error).__name__}: {error})."
        ) from error
    if joints.ndim != 3 or joints.shape[:2] not in ((3, JOINTS), (JOINTS, 3)):
        raise FormatError(
            f"{file}: joints has the shape {joints.shape}; LSP has (3, 14, N), LSPET (14, 3, N)."
        )
    extended = joints.shape[0] == JOINTS
    rows = joints.transpose(2, 0, 1) if extended else joints.transpose(2, 1, 0)  # (N, 14, 3)
    labelled = rows[..., 2] > 0 if extended else np.ones(rows.shape[:2], bool)
    xy = np.where(labelled[..., None], rows[..., :2], np.nan).astype(np.float32)
    names = tuple(f"im{i + 1:0{DIGITS[extended]}d}.jpg" for i in range(len(rows)))
    store, known = ImageStore(file.parent), np.ones(JOINTS, bool)
    people = tuple(
        Person(store, name, box, points, np.where(there, VISIBLE, ABSENT), known)
        for name, box, points, there in zip(names, keypoint_boxes(xy), xy, labelled, strict=True)
        if there.sum() > 1
    )
    return PersonSet("lspet" if extended else "lsp", LSP_14, people, names)
