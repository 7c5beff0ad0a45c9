"""A PoseTrack report as tables, as JSON, and as the files of the official tool."""

from __future__ import annotations

__all__ = [
    "header",
    "official_text",
    "report_json",
    "report_tables",
    "scores_json",
    "total_figures",
    "write_official_files",
]

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from posetrack.evaluation.posetrack import PoseTrackReport, SequenceScores
from posetrack.evaluation.tables import Table, plain_json
from posetrack.files import write_beside
from posetrack.formats.table import JOINTS
from posetrack.metrics.hota import FIELDS
from posetrack.metrics.poseval_tables import ap_file, ap_table, mot_file, mot_table, part_means
from posetrack.metrics.protocols import KIT, POSEVAL

_COMPARABLE = {
    "poseval": "the official tool's rules, comparable with published tables",
    "corrected": "every frame counted, oversights mended; NOT comparable with published tables",
}
_TOTAL_FIELDS = ("HOTA", "DetA", "AssA", "LocA")


def header(report: PoseTrackReport) -> str:
    """One line that says what was scored and by which rules."""
    name = report.protocol.name
    frames = (
        f"{report.total.frames} frames of {len(report.sequences)} "
        f"sequence{'s' * (len(report.sequences) != 1)}"
    )
    source = f" {report.source}." if report.source else ""
    return f"PoseTrack, protocol {name} ({_COMPARABLE.get(name, '')}): {frames}.{source}"


def official_text(report: PoseTrackReport) -> str:
    """The two tables as poseval prints them, each under a line that says what it is."""
    parts, total = [], report.total
    rules = f"protocol {report.protocol.name}" + (f"; {report.source}" if report.source else "")
    if total.ap is not None:
        parts.append(f"Pose: AP in percent ({rules})\n{ap_table(total.ap)}")
    if total.mot is not None:
        what = (
            "over all events, as poseval prints it"
            if report.protocol is POSEVAL
            else "over matched pairs"
        )
        parts.append(f"Tracking ({rules}; MOTP {what})\n{mot_table(total.mot)}")
        matched = total.mot.motp_matched[-1]
        parts.append(
            f"MOTP over matched pairs, as in the tables published for 2017: {matched:.1f}\n"
        )
    return "\n".join(parts)


def report_tables(report: PoseTrackReport) -> list[Table]:
    """Scores by body part, by sequence and by joint."""
    rules = f"protocol {report.protocol.name}" + (f"; {report.source}" if report.source else "")
    if report.total.hota is not None:
        rules += (
            f"; HOTA by "
            f"{'the PoseTrack21 kit' if report.hota_protocol is KIT else 'the same rules'}"
        )
    return [_by_part(report, rules), _by_sequence(report, rules), _by_joint(report, rules)]


def _by_part(report: PoseTrackReport, rules: str) -> Table:
    total, rows = report.total, []
    if total.ap is not None:
        rows += [
            ("AP", total.ap.ap),
            ("AP precision", total.ap.precision),
            ("AP recall", total.ap.recall),
        ]
    if total.mot is not None and total.idf1 is not None:
        mot = total.mot
        rows += [
            ("MOTA", mot.mota),
            ("MOTP as printed", mot.motp),
            ("MOTP matched pairs", mot.motp_matched),
        ]
        rows += [("precision", mot.precision), ("recall", mot.recall), ("IDF1", total.idf1)]
    if total.hota is not None:
        rows += [(field, total.hota.mean(field) * 100) for field in FIELDS]
    if total.kit_ap is not None:
        rows.append(("AP by HOTA's rules", total.kit_ap.ap))
    parts = [part_means(values) for _, values in rows]
    cells = tuple((name, *means.values()) for (name, _), means in zip(rows, parts, strict=True))
    return Table(f"All sequences, percent ({rules})", ("", *(parts[0] if parts else ())), cells)


def _by_sequence(report: PoseTrackReport, rules: str) -> Table:
    everybody = (*report.sequences, report.total)
    rows = [{"sequence": s.name, "frames": s.frames, **_figures(s, -1)} for s in everybody]
    return Table(f"By sequence ({rules})", tuple(rows[0]), tuple(tuple(r.values()) for r in rows))


def _by_joint(report: PoseTrackReport, rules: str) -> Table:
    rows = [
        {"joint": name, **_figures(report.total, j)} for j, name in enumerate((*JOINTS, "total"))
    ]
    return Table(
        f"By joint, all sequences ({rules})", tuple(rows[0]), tuple(tuple(r.values()) for r in rows)
    )


def _figures(scores: SequenceScores, j: int) -> dict[str, Any]:
    """The main figures of one joint; of the last column, the total, counts are summed
    over joints.
    """
    figures: dict[str, Any] = {}
    cut = slice(None) if j in (-1, len(JOINTS)) else slice(j, j + 1)

    def count(values: npt.NDArray[np.int64]) -> int:
        return int(values[cut].sum())

    if scores.ap is not None:
        figures["mAP"] = float(scores.ap.ap[j])
    if scores.mot is not None and scores.counts is not None:
        figures |= {"MOTA": float(scores.mot.mota[j]), "MOTP": float(scores.mot.motp[j])}
        figures |= {"MOTPmatched": float(scores.mot.motp_matched[j])}
        figures |= {"Prec": float(scores.mot.precision[j]), "Rec": float(scores.mot.recall[j])}
    if scores.idf1 is not None and scores.identities is not None and scores.counts is not None:
        figures |= {"IDF1": float(scores.idf1[j]), "IDsw": count(scores.counts.switches)}
        figures |= {
            "Frag": count(scores.identities.fragmentations),
            "MT": count(scores.identities.mostly_tracked),
        }
        figures |= {
            "ML": count(scores.identities.mostly_lost),
            "tracks": count(scores.identities.trajectories),
        }
    if scores.hota is not None:
        figures |= {field: float(scores.hota.mean(field)[j] * 100) for field in _TOTAL_FIELDS}
    return figures


def total_figures(report: PoseTrackReport) -> dict[str, Any]:
    """The main figures over all sequences and joints, by name: percent, and counts."""
    return _figures(report.total, -1)


def report_json(report: PoseTrackReport) -> dict[str, Any]:
    """Everything at full precision; percent throughout, NaN as null."""
    return {
        "task": "posetrack",
        "protocol": report.protocol.name,
        "hota_protocol": report.hota_protocol.name,
        "source": report.source,
        "units": "percent, except counts",
        "joints": [*JOINTS, "total"],
        "total": scores_json(report.total),
        "sequences": {s.name: scores_json(s) for s in report.sequences},
        "left_out": [{"sequence": s.name, "reason": s.reason} for s in report.left_out],
    }


def scores_json(scores: SequenceScores) -> dict[str, Any]:
    """The scores of one sequence, or of all; lists follow ``joints``, counts lack the total."""
    result: dict[str, Any] = {"frames": scores.frames}
    if scores.ap is not None:
        result["AP"] = _ap_json(scores.ap)
        result["printed_AP_table"] = ap_table(scores.ap)
    if scores.mot is not None and scores.counts is not None:
        result["MOT"] = plain_json(scores.mot)
        result["printed_MOT_table"] = mot_table(scores.mot)
        result["counts"] = {
            **plain_json(scores.counts),
            "detections": scores.counts.detections.tolist(),
        }
    if scores.identities is not None:
        result["identities"] = {"idf1": plain_json(scores.idf1), **plain_json(scores.identities)}
    if scores.hota is not None:
        hota = scores.hota
        result["HOTA"] = {field: plain_json(hota.mean(field) * 100) for field in FIELDS}
        result["HOTA_at_0.5"] = {field: plain_json(hota.values[field][9] * 100) for field in FIELDS}
        result["HOTA_counts"] = {
            key: plain_json(getattr(hota, key)[:, -1]) for key in ("tp", "fn", "fp")
        }
    if scores.kit_ap is not None:
        result["AP_by_HOTA_rules"] = _ap_json(scores.kit_ap)
    return result


def _ap_json(result: Any) -> dict[str, Any]:
    return {**plain_json(result), "parts": plain_json(part_means(result.ap))}


def write_official_files(report: PoseTrackReport, folder: Path) -> list[Path]:
    """poseval's result files, of all sequences and of each; returns their paths. Raises
    OutputError.

    NaN stands in them as the word NaN, as the official tool writes it.
    """
    written = []
    for scores in (report.total, *report.sequences):
        for kind, content in (
            ("AP", scores.ap and ap_file(scores.ap)),
            ("MOT", scores.mot and mot_file(scores.mot)),
        ):
            if content:
                path = folder / f"{scores.name}_{kind}_metrics.json"
                with write_beside(path) as part:
                    part.write_text(json.dumps(content), encoding="utf-8")
                written.append(path)
    return written
