"""Predict scikit-image's photographs with the shipped models, and say where the pictures are."""

import subprocess
import sys
from pathlib import Path

import skimage

NAMES = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")


def main(output: str) -> int:
    """Run `foregaze predict` on the photographs, and `foregaze scanpaths` on one of them."""
    folder = Path(skimage.__file__).parent / "data"
    photographs = [str(folder / name) for name in NAMES]
    foregaze = Path(sys.executable).with_name("foregaze")
    where = ["--output", output, "--overwrite"]
    commands = [
        ["predict", *photographs, *where, "--format", "png", "--format", "csv"],
        ["scanpaths", photographs[0], *where, "--scanpaths", "3"],
        ["scanpaths", photographs[0], *where, "--picture", "steps", "--picture", "animation"],
    ]
    return max(subprocess.run([foregaze, *command], check=False).returncode for command in commands)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
