"""``python -m posetrack``: the command line, where the script is not on the path."""

from __future__ import annotations

from posetrack.cli import main

__all__: list[str] = []

if __name__ == "__main__":
    main()
