"""Checkpoints of Segment Anything with random weights that segment nothing sensible in a moment."""

from pathlib import Path

import torch

SIDE = 64


def save_toy(folder: Path, kind: str) -> Path:
    """A checkpoint as transformers saves it; `kind` is its model type."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        network, processor = (_first if kind == "sam" else _second)()
        for parameter in network.mask_decoder.parameters():
            parameter.mul_(1.5)  # logits of some size
    network.save_pretrained(folder)
    processor.save_pretrained(folder)
    logging.enable_progress_bar()
    config = folder / "config.json"
    text = config.read_text()
    written = "sam" if kind == "sam" else "sam2"
    assert f'"model_type": "{written}"' in text
    config.write_text(text.replace(f'"model_type": "{written}"', f'"model_type": "{kind}"'))
    return folder


_PROMPTS = {"hidden_size": 16, "image_size": SIDE, "mask_input_channels": 8}
_DECODER = {
    "hidden_size": 16,
    "mlp_dim": 16,
    "num_attention_heads": 2,
    "num_hidden_layers": 1,
    "iou_head_hidden_dim": 16,
}


@torch.no_grad()
def _first():
    from transformers import SamConfig, SamImageProcessor, SamModel

    vision = {
        "hidden_size": 16,
        "output_channels": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "image_size": SIDE,
        "patch_size": 8,
        "mlp_dim": 16,
        "window_size": 4,
        "global_attn_indexes": [0],
        "num_pos_feats": 8,
    }
    config = SamConfig(
        vision_config=vision,
        prompt_encoder_config={**_PROMPTS, "patch_size": 8},
        mask_decoder_config=_DECODER,
    )
    size, padded = {"longest_edge": SIDE}, {"height": SIDE, "width": SIDE}
    return SamModel(config).requires_grad_(False), SamImageProcessor(size=size, pad_size=padded)


@torch.no_grad()
def _second():
    from transformers import Sam2Config, Sam2ImageProcessor, Sam2Model

    backbone = {
        "model_type": "sam2_hiera_det_model",
        "hidden_size": 8,
        "image_size": [SIDE, SIDE],
        "blocks_per_stage": [1, 1, 2, 1],
        "embed_dim_per_stage": [8, 16, 32, 64],
        "num_attention_heads_per_stage": [1, 2, 2, 2],
        "window_size_per_stage": [8, 4, 4, 2],
        "global_attention_blocks": [3],
        "window_positional_embedding_background_size": [2, 2],
    }
    vision = {
        "backbone_config": backbone,
        "backbone_channel_list": [64, 32, 16, 8],
        "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]],
        "fpn_hidden_size": 16,
    }
    config = Sam2Config(
        vision_config=vision,
        prompt_encoder_config={**_PROMPTS, "patch_size": 16},
        mask_decoder_config=_DECODER,
    )
    size = {"height": SIDE, "width": SIDE}
    return Sam2Model(config).requires_grad_(False), Sam2ImageProcessor(size=size)
