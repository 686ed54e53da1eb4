import shutil

import pytest

IMAGES = 12


@pytest.fixture(scope="session")
def small_osie(osie_root, tmp_path_factory):
    """OSIE with its first images only; the fixation table stays whole, as the loader allows."""
    root = tmp_path_factory.mktemp("osie")
    for folder in ("stimuli", "mouse_lab"):
        (root / folder).mkdir()
        for path in sorted((osie_root / folder).iterdir())[:IMAGES]:
            shutil.copy(path, root / folder)
    shutil.copytree(osie_root / "eye", root / "eye")
    return root
