"""ViTs against transformers' networks, and where in the image their tokens lie."""

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from torch import Tensor
from transformers import (
    Dinov2Config,
    Dinov2Model,
    Dinov2WithRegistersConfig,
    Dinov2WithRegistersModel,
    DINOv3ViTConfig,
    DINOv3ViTModel,
)

from foregaze.backbones.staged_taps import StagedTaps
from foregaze.backbones.vit_taps import VitTaps, is_vit
from foregaze.errors import ConfigError, UnknownNameError, WeightsError
from foregaze.models.deepgaze import create_frozen
from foregaze.models.deepgaze_config import BackboneConfig

DINOV2, REGISTERS = "vit_small_patch14_dinov2", "vit_small_patch14_reg4_dinov2"
DINOV3, PLAIN = "vit_small_patch16_dinov3", "vit_tiny_patch16_224"
TAPS = ("2", "0")
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
Dict = dict[str, Tensor]


@pytest.fixture(scope="module")
def random_vit() -> Callable[[str], VitTaps]:
    """Three blocks with weights such that all of them matter; timm's own start as the identity."""
    built: dict[str, VitTaps] = {}

    def build(name: str) -> VitTaps:
        if name not in built:
            taps = built[name] = VitTaps(name, TAPS, "random:0")
            generator = torch.Generator().manual_seed(1)
            for key, x in taps.network.named_parameters():
                spread = 0.3 if key.endswith(("pos_embed", "token")) else 0.05
                center = float("gamma" in key or re.search(r"norm\d?\.weight", key) is not None)
                x.copy_(center + spread * torch.randn(x.shape, generator=generator))
        return built[name]

    return build


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


RENAMED = [
    (r"^blocks\.", "encoder.layer."),
    (r"attn\.proj", "attention.o_proj"),
    (r"(ls([12])\.gamma|gamma_([12]))$", r"layer_scale\2\3.lambda1"),
    (r"^patch_embed\.proj", "embeddings.patch_embeddings.projection"),
    (r"^pos_embed", "embeddings.position_embeddings"),
    (r"^cls_token", "embeddings.cls_token"),
    (r"^reg_token", "embeddings.register_tokens"),
    (r"^norm\.", "layernorm."),
]
RENAMED_IN_DINOV3 = [
    (r"^encoder\.", "model."),
    (r"patch_embeddings\.projection", "patch_embeddings"),
    (r"^layernorm\.", "norm."),
    (r"mlp\.fc1", "mlp.up_proj"),
    (r"mlp\.fc2", "mlp.down_proj"),
]
SMALL = {"hidden_size": 384, "num_attention_heads": 6, "num_hidden_layers": 3}
DINOV2_SMALL = SMALL | {"patch_size": 14, "image_size": 518}
NO_BIAS = {"query_bias": False, "key_bias": False, "value_bias": False}
TRANSFORMERS: dict[str, Callable[[], Any]] = {
    DINOV2: lambda: Dinov2Model(Dinov2Config(**DINOV2_SMALL)),
    REGISTERS: lambda: Dinov2WithRegistersModel(Dinov2WithRegistersConfig(**DINOV2_SMALL)),
    DINOV3: lambda: DINOv3ViTModel(DINOv3ViTConfig(**SMALL, **NO_BIAS, num_register_tokens=4)),
}


def renamed(name: str, tensors: Dict) -> Dict:
    """Weights of timm's network under transformers' names."""
    rules = RENAMED + (RENAMED_IN_DINOV3 if name == DINOV3 else [])
    found = {}
    for key, x in tensors.items():
        for pattern, replacement in rules:
            key = re.sub(pattern, replacement, key)
        if ".attn.qkv." in key:
            for part, y in zip("qkv", x.chunk(3), strict=True):
                found[key.replace("attn.qkv", f"attention.{part}_proj")] = y
        else:
            found[key] = x
    if name == REGISTERS:  # timm's class token contains its own position
        own = torch.full((1, 1, 384), 0.25)
        found["embeddings.cls_token"] = found["embeddings.cls_token"] - own
        key = "embeddings.position_embeddings"
        found[key] = torch.cat([own, found[key]], dim=1)
    return found


@pytest.mark.parametrize("name", [DINOV2, REGISTERS, DINOV3])
@torch.inference_mode()
def test_tokens_are_those_of_transformers_after_the_final_norm(name, random_vit, generator):
    taps = copy.deepcopy(random_vit(name)).double()
    theirs = TRANSFORMERS[name]().eval()
    loaded = theirs.load_state_dict(renamed(name, random_vit(name).network.state_dict()), False)
    assert loaded.missing_keys == ["embeddings.mask_token"]
    assert not loaded.unexpected_keys
    theirs.double()
    patch = taps.patch_px[0]
    pixels = 255 * torch.rand(2, 3, 6 * patch, 10 * patch, generator=generator).double()
    mean, std = (torch.tensor(v, dtype=torch.float64)[:, None, None] for v in (MEAN, STD))
    output = theirs((pixels / 255 - mean) / std, output_hidden_states=True)
    norm = theirs.norm if name == DINOV3 else theirs.layernorm
    for tap, found in zip(TAPS, taps(pixels), strict=True):
        tokens = norm(output.hidden_states[int(tap) + 1])[:, -60:]
        expected = tokens.transpose(1, 2).reshape(2, 384, 6, 10)
        # Not 0: class tokens are added and DINOv3's rotations made in single precision.
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-7)


@torch.inference_mode()
def test_other_vits_equal_timms_own_at_their_native_size(generator):
    pixels = 255 * torch.rand(1, 3, 224, 224, generator=generator)
    (found,) = VitTaps(PLAIN, ["11"], "random:0")(pixels)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        theirs = timm.create_model(PLAIN).eval()
    expected = theirs.forward_features(pixels / 127.5 - 1)[:, 1:]  # its mean and std are 0.5
    torch.testing.assert_close(found.flatten(2).mT, expected, rtol=0, atol=1e-5)


def brightest_cells(taps: VitTaps, cells: list[tuple[int, int]], size: tuple[int, int]) -> Tensor:
    """Responses (N, tap, h, w) to black images in which one cell of the token grid is white."""
    (height, width), (h, w) = size, taps.grid(size)
    images = torch.zeros(1 + len(cells), 3, height, width)
    for image, (i, j) in zip(images[1:], cells, strict=True):
        top, bottom = round(i * height / h), round((i + 1) * height / h)
        left, right = round(j * width / w), round((j + 1) * width / w)
        image[:, top:bottom, left:right] = 255
    maps = torch.stack(taps(images), dim=1)  # (1 + N, tap, C, h, w)
    return (maps[1:] - maps[:1]).norm(dim=2)


def places(responses: Tensor) -> list[list[tuple[int, int]]]:
    """Row and column of the strongest of all cells, for each image and tap."""
    width = responses.shape[-1]
    return [[divmod(int(n), width) for n in row] for row in responses.flatten(2).argmax(-1)]


CELLS = [(0, 0), (0, 6), (2, 3), (1, 6), (4, 0), (4, 3), (4, 6)]
"""Of a grid of 5 x 7: corners, sides and the inside."""


@pytest.mark.parametrize("name", [DINOV2, REGISTERS, DINOV3])
@pytest.mark.parametrize("off_px", [(0, 0), (5, -6)])
@torch.inference_mode()
def test_a_white_patch_is_seen_by_its_own_token(name, off_px, random_vit):
    taps = random_vit(name)
    size = (5 * taps.patch_px[0] + off_px[0], 7 * taps.patch_px[1] + off_px[1])
    responses = brightest_cells(taps, CELLS, size)
    assert responses.shape[-2:] == (5, 7)
    assert places(responses) == [[cell, cell] for cell in CELLS]


@torch.inference_mode()
def test_that_test_sees_a_shift_by_one_token(random_vit):
    taps = random_vit(DINOV2)
    responses = brightest_cells(taps, CELLS, (70, 98)).flatten(2)
    shifted = torch.cat([responses[:, :, 1:], torch.zeros_like(responses[:, :, :1])], dim=2)
    for found, cell in zip(places(shifted.unflatten(2, (5, 7))), CELLS, strict=True):
        assert cell not in found


@pytest.mark.parametrize(
    ("size", "grid"),
    [
        ((480, 640), (34, 46)),  # 34.3 and 45.7 patches
        ((768, 1024), (55, 73)),
        ((518, 518), (37, 37)),
        ((21, 20), (2, 1)),  # 1.5 and 1.4
        ((5, 1), (1, 1)),
    ],
)
def test_the_grid_is_the_nearest_number_of_patches(size, grid, random_vit):
    assert random_vit(DINOV2).grid(size) == grid


@pytest.mark.parametrize("size", [(37, 53), (48, 16), (7, 3), (1, 1)])
@torch.inference_mode()
def test_images_of_any_size_are_seen(size, random_vit, generator):
    taps = random_vit(PLAIN)
    outputs = taps(255 * torch.rand(2, 3, *size, generator=generator))
    assert [x.shape for x in outputs] == [(2, 192, *taps.grid(size))] * 2
    assert all(x.isfinite().all() for x in outputs)


@pytest.mark.parametrize(
    ("name", "mean", "std"), [(DINOV2, MEAN, STD), (PLAIN, (0.5,) * 3, (0.5,) * 3)]
)
@torch.inference_mode()
def test_the_network_sees_colors_normalized_by_its_own_mean(name, mean, std, random_vit):
    taps = random_vit(name)
    seen: list[Tensor] = []
    hook = taps.network.patch_embed.register_forward_pre_hook(lambda _, x: seen.append(x[0]))
    color = torch.tensor([10.0, 128.0, 255.0])
    taps(color[:, None, None].expand(3, 40, 60)[None])
    hook.remove()
    patch = taps.patch_px[0]
    assert seen[0].shape == (1, 3, *(patch * side for side in taps.grid((40, 60))))
    expected = (color / 255 - torch.tensor(mean)) / torch.tensor(std)
    torch.testing.assert_close(
        seen[0], expected[:, None, None].expand(seen[0].shape), rtol=0, atol=1e-5
    )


# Taps and networks


@torch.inference_mode()
def test_taps_come_in_the_order_asked_and_may_repeat(generator):
    pixels = 255 * torch.rand(1, 3, 32, 48, generator=generator)
    ascending = VitTaps(PLAIN, ["1", "3"], "random:0")
    asked = VitTaps(PLAIN, ["3", "1", "3"], "random:0")
    one, three = ascending(pixels)
    assert not torch.equal(one, three)
    for found, expected in zip(asked(pixels), [three, one, three], strict=True):
        assert torch.equal(found, expected)
    assert asked.channels == (192, 192, 192)


def test_blocks_behind_the_last_tap_are_not_kept():
    taps = VitTaps(PLAIN, ["3", "1"], "random:0")
    assert len(taps.network.blocks) == 4
    assert not any(key.startswith("network.head") for key in taps.state_dict())


@torch.inference_mode()
def test_frozen_networks_stay_in_evaluation_mode(random_vit):
    taps = random_vit(PLAIN).train()
    assert not any(module.training for module in taps.modules())
    assert not any(parameter.requires_grad for parameter in taps.parameters())


@pytest.mark.parametrize("tap", ["12", "-1", "blocks.3", "1.5", ""])
def test_a_tap_that_is_no_block_is_refused(tap):
    message = rf"has no tap '{re.escape(tap)}'; known: numbers of blocks, '0' to '11'"
    with pytest.raises(ConfigError, match=message):
        VitTaps(PLAIN, ["3", tap], "random:0")


def test_no_tap_is_refused():
    with pytest.raises(ConfigError, match="no tap asked"):
        VitTaps(PLAIN, [], "random:0")


def test_what_is_no_vit_is_refused():
    with pytest.raises(ConfigError, match="'resnet18' is no Vision Transformer"):
        VitTaps("resnet18", ["1"], "random:0")
    with pytest.raises(UnknownNameError, match="unknown backbone 'vit_of_mine'"):
        VitTaps("vit_of_mine", ["1"], "random:0")


@pytest.mark.parametrize(
    ("name", "blocks", "channels"),
    [
        ("vit_large_patch14_dinov2", ("21", "22", "23"), 1024),
        ("vit_giant_patch14_dinov2", ("37", "38", "39"), 1536),
        ("vit_giant_patch14_reg4_dinov2", ("39",), 1536),
    ],
)
def test_large_networks_have_the_channels_of_their_authors(name, blocks, channels):
    with torch.device("meta"):  # nothing is allocated
        taps = VitTaps(name, blocks, "random:0")
    assert taps.channels == (channels,) * len(blocks)
    assert taps.patch_px == (14, 14)
    assert all(parameter.is_meta for parameter in taps.network.parameters())


@pytest.mark.parametrize("size", ["small", "base", "large", "giant"])
@pytest.mark.parametrize("kind", ["patch14_dinov2", "patch14_reg4_dinov2"])
def test_dinov2_of_all_sizes_is_a_vit(size, kind):
    assert is_vit(f"vit_{size}_{kind}")


def test_vits_are_told_from_other_networks():
    assert all(map(is_vit, [DINOV3, "vit_large_patch16_dinov3", PLAIN, f"{DINOV2}.lvd142m"]))
    others = ["resnet50", "tf_efficientnet_lite2", "convnext_tiny", "alexnet", "vit_of_mine", ""]
    assert not any(map(is_vit, others))


def test_models_read_vits_by_blocks_and_other_networks_by_stages():
    vit = create_frozen(BackboneConfig(name=PLAIN, taps=("11", "3"), weights="random:0"))
    assert isinstance(vit, VitTaps)
    assert vit.channels == (192, 192)
    stages = BackboneConfig(name="tf_efficientnet_lite0", taps=("1",), weights="random:0")
    assert isinstance(create_frozen(stages), StagedTaps)


# Files


def as_published(name: str, tensors: Dict) -> Dict:
    """Weights of timm's network in the layout of Meta's files."""
    dim = tensors["cls_token"].shape[-1]
    found = dict(tensors) | {"mask_token": torch.zeros(1, dim)}
    if name == REGISTERS:
        own = torch.full((1, 1, dim), 0.25)
        found["pos_embed"] = torch.cat([own, found["pos_embed"]], dim=1)
        found["cls_token"] = found["cls_token"] - own
        found["register_tokens"] = found.pop("reg_token")
    if name == DINOV3:
        found = {re.sub(r"gamma_([12])$", r"ls\1.gamma", key): x for key, x in found.items()}
        found["storage_tokens"] = found.pop("reg_token")
        found["rope_embed.periods"] = torch.ones(16)
        for number in range(12):
            key = f"blocks.{number}.attn.qkv.bias"
            found[key] = torch.zeros(3 * dim)
            found[f"{key}_mask"] = torch.ones(3 * dim)
    return found


def timms(name: str) -> Dict:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return dict(timm.create_model(name).state_dict())


@pytest.mark.parametrize("name", [DINOV2, REGISTERS, DINOV3])
@torch.inference_mode()
def test_files_in_their_authors_layout_load(name, tmp_path, generator, capsys):
    path = tmp_path / "published.pth"
    torch.save(as_published(name, timms(name)), path)
    pixels = 255 * torch.rand(1, 3, 70, 50, generator=generator)
    (found,) = VitTaps(name, ["2"], str(path))(pixels)
    (expected,) = VitTaps(name, ["2"], "random:0")(pixels)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
    assert not any(capsys.readouterr())


@torch.inference_mode()
def test_files_in_timms_layout_load(tmp_path, generator):
    path = tmp_path / "timms.pth"
    torch.save(timms(PLAIN), path)
    pixels = 255 * torch.rand(1, 3, 32, 48, generator=generator)
    (found,) = VitTaps(PLAIN, ["2"], str(path))(pixels)
    assert torch.equal(found, VitTaps(PLAIN, ["2"], "random:0")(pixels)[0])


NORM, PATCHES = "blocks.3.norm1.weight", "patch_embed.proj.weight"


@pytest.mark.parametrize("published", [False, True])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: {k: v for k, v in x.items() if k != NORM}, rf"1 keys missing \(first: '{NORM}"),
        (lambda x: x | {"blocks.9.more": x[NORM]}, r"1 keys unexpected \(first: 'blocks.9.more'"),
        (lambda x: x | {NORM: x[NORM][:5]}, rf"{NORM} has shape \(5,\), expected \(192,\)"),
        (lambda x: x | {PATCHES: x[PATCHES][..., :14, :14]}, rf"{PATCHES} has"),
        (lambda x: x | {"pos_embed": x["pos_embed"][:, :101]}, "pos_embed has"),
        (lambda x: x | {"pos_embed": x["pos_embed"][:, :100]}, "pos_embed has"),
    ],
)
def test_files_that_do_not_fit_are_refused(
    published: bool, change: Callable[[Dict], Dict], message: str, tmp_path: Path
):
    tensors = timms(PLAIN)
    path = tmp_path / "weights.pth"
    torch.save(change(as_published(PLAIN, tensors) if published else tensors), path)
    with pytest.raises(WeightsError, match=message):
        VitTaps(PLAIN, ["2"], str(path))
