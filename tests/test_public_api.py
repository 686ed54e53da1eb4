import subprocess
import sys

import numpy as np
import pytest

import foregaze


def in_new_process(code: str) -> str:
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return result.stdout


def test_importing_foregaze_imports_nothing_heavy():
    heavy = "{'torch', 'matplotlib', 'lightning', 'scipy', 'numpy', 'timm', 'PIL'}"
    code = f"import sys, foregaze; dir(foregaze); print({heavy} & set(sys.modules))"
    assert in_new_process(code) == "set()\n"


def test_importing_foregaze_takes_less_than_a_third_of_a_second():
    code = "import time; t = time.process_time(); import foregaze; print(time.process_time() - t)"
    assert min(float(in_new_process(code)) for _ in range(3)) < 0.3


def test_public_names_are_listed_and_there():
    assert set(foregaze.__all__) <= set(dir(foregaze))
    for name in foregaze.__all__:
        assert getattr(foregaze, name) is not None


def test_public_names_are_what_the_modules_call_them():
    from foregaze.errors import ForegazeError
    from foregaze.evaluation.model import evaluate_model
    from foregaze.inference.prediction import Prediction

    assert foregaze.ForegazeError is ForegazeError
    assert foregaze.Prediction is Prediction
    assert foregaze.evaluate is evaluate_model


def test_an_unknown_attribute_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'foregaze' has no attribute 'predict'"):
        foregaze.predict  # noqa: B018


def test_default_is_among_the_models():
    assert "default" in foregaze.list_models()


def test_a_checkpoint_path_predicts_as_promised(tiny_checkpoint):
    model = foregaze.load_model(tiny_checkpoint.as_posix())
    image = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    prediction = model.predict(image)
    assert isinstance(prediction, foregaze.Prediction)
    assert prediction.log_density.dtype == np.float32
    assert np.exp(prediction.log_density.astype(np.float64)).sum() == pytest.approx(1, abs=1e-5)
    assert prediction.sample(7, seed=0).shape == (7, 2)


def test_errors_share_one_base_class():
    with pytest.raises(foregaze.ForegazeError, match="unknown model 'defualt'"):
        foregaze.load_model("defualt")
