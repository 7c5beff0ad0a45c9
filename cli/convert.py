"""``posetrack convert``: turn one track or label format into another."""

from __future__ import annotations

__all__ = ["convert"]

import click


@click.command()
@click.argument("source", metavar="IN", type=click.Path())
@click.argument("target", metavar="OUT", type=click.Path())
@click.option(
    "--from", "source_format", metavar="FORMAT", help="Format of IN; guessed where not given."
)
@click.option(
    "--to", "target_format", metavar="FORMAT", help="Format of OUT; by its name where not given."
)
@click.option("--force", is_flag=True, help="Replace existing files.")
def convert(
    source: str, target: str, source_format: str | None, target_format: str | None, force: bool
) -> None:
    """Turn one track or label format into another.

    IN is a file, or a folder of files (all of them are converted, OUT is then a folder and --to is
    needed); a folder of OpenPose's is one video. Formats:

    \b
      native       NAME.jsonl             everything posetrack knows
      posetrack17  NAME.posetrack17.json  PoseTrack 2017, for poseval
      posetrack18  NAME.posetrack18.json  PoseTrack 2018
      coco         NAME.coco.json         COCO keypoint results
      csv          NAME.csv               a row a joint
      parquet      NAME.parquet           the same in typed columns (needs pyarrow)
      mot          NAME.mot.txt           MOTChallenge: boxes with identities, no joints
      openpose     NAME.openpose          OpenPose's folder, a JSON file a frame

    The files written are listed on stdout.
    """
    from posetrack.formats.convert import convert as convert_files

    for path in convert_files(
        source, target, source_format=source_format, target_format=target_format, force=force
    ):
        click.echo(path)
