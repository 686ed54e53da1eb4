"""Models, one file each, and the checkpoints that hold what training made of them."""

from typing import Any

from foregaze.models.deepgaze import DeepGaze
from foregaze.models.deepgaze1 import DeepGaze1
from foregaze.models.deepgaze2 import DeepGaze2
from foregaze.models.deepgaze2e import DeepGaze2E
from foregaze.models.deepgaze3 import DeepGaze3
from foregaze.models.deepgaze_msdb import DeepGazeMSDB
from foregaze.models.deepgaze_spade_dynamic import DeepGazeSpadeDynamic
from foregaze.models.deepgaze_spade_hybrid import DeepGazeSpadeHybrid
from foregaze.models.deepgaze_spade_static import DeepGazeSpadeStatic
from foregaze.models.dinogaze import DinoGaze
from foregaze.models.dinogaze_spade import DinoGazeSpade
from foregaze.models.scanpath_mixture import ScanpathMixture
from foregaze.models.trunk_mixture import TrunkMixture

AnyModel = TrunkMixture | ScanpathMixture | DeepGaze | DeepGazeMSDB

MODELS: dict[str, Any] = {
    "trunk-mixture": TrunkMixture,
    "scanpath-mixture": ScanpathMixture,
    "deepgaze1": DeepGaze1,
    "deepgaze2": DeepGaze2,
    "deepgaze2e": DeepGaze2E,
    "deepgaze3": DeepGaze3,
    "deepgaze-msdb": DeepGazeMSDB,
    "dinogaze": DinoGaze,
    "dinogaze-spade": DinoGazeSpade,
    "deepgaze-spade-static": DeepGazeSpadeStatic,
    "deepgaze-spade-dynamic": DeepGazeSpadeDynamic,
    "deepgaze-spade-hybrid": DeepGazeSpadeHybrid,
}

__all__ = [
    "MODELS",
    "AnyModel",
    "DeepGaze",
    "DeepGaze1",
    "DeepGaze2",
    "DeepGaze2E",
    "DeepGaze3",
    "DeepGazeMSDB",
    "DeepGazeSpadeDynamic",
    "DeepGazeSpadeHybrid",
    "DeepGazeSpadeStatic",
    "DinoGaze",
    "DinoGazeSpade",
    "ScanpathMixture",
    "TrunkMixture",
]
