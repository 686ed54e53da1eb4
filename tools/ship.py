"""Put trained models into the package, with their out-of-fold numbers in the card.

`python tools/ship.py RUN` takes `RUN/all/model.safetensors` to `src/foregaze/weights`, under the
run's name, with the metrics of its report in `docs/reports` (made by tools/osie_table.py).
"""

import argparse
import json
from pathlib import Path

from foregaze.models.checkpoint import load_checkpoint, save_checkpoint

ROOT = Path(__file__).parents[1]


def main() -> None:
    """Copy one model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    run = parser.parse_args().run
    report = json.loads((ROOT / "docs" / "reports" / f"{run.name}.json").read_text())
    checkpoint = load_checkpoint(run / "all" / "model.safetensors")
    card = checkpoint.card | {"out_of_fold": report["metrics"]}
    target = ROOT / "src" / "foregaze" / "weights" / f"{run.name}.safetensors"
    target.parent.mkdir(exist_ok=True)
    save_checkpoint(checkpoint.model, target, card, half=True, graph=checkpoint.graph)
    print(f"{target}: {target.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
