"""Put trained models into the package, with their out-of-fold numbers in the card.

`python tools/ship.py RUN REPORT` takes `RUN/all/model.safetensors` and the out-of-fold report to
`src/foregaze/weights/NAME.safetensors` and `docs/reports/NAME.json`, NAME being the report's model.
"""

import argparse
import json
import shutil
from pathlib import Path

from foregaze.models.checkpoint import load_checkpoint, save_checkpoint

ROOT = Path(__file__).parents[1]


def main() -> None:
    """Copy one model and its report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("report", type=Path)
    arguments = parser.parse_args()
    report = json.loads(arguments.report.read_text())
    checkpoint = load_checkpoint(arguments.run / "all" / "model.safetensors")
    card = checkpoint.card | {"out_of_fold": report["metrics"]}
    target = ROOT / "src" / "foregaze" / "weights" / f"{report['model']}.safetensors"
    target.parent.mkdir(exist_ok=True)
    save_checkpoint(checkpoint.model, target, card, half=True, graph=checkpoint.graph)
    reports = ROOT / "docs" / "reports"
    reports.mkdir(exist_ok=True)
    shutil.copy(arguments.report, reports / f"{report['model']}.json")
    print(f"{target}: {target.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
