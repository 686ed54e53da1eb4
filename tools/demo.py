"""Predict scikit-image's photographs with the shipped models, and say where the pictures are."""

import subprocess
import sys
from pathlib import Path

import skimage

NAMES = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")


def main(output: str) -> int:
    """Run `foregaze predict` on the photographs."""
    folder = Path(skimage.__file__).parent / "data"
    photographs = [str(folder / name) for name in NAMES]
    command = [Path(sys.executable).with_name("foregaze"), "predict", *photographs]
    options = ["--output", output, "--overwrite", "--format", "png", "--format", "csv"]
    return subprocess.run([*command, *options], check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
