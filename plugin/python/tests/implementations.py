"""The table of the implementations that people train, as something a test can make, run and know
the truth of. No adapter is used here.

    for entry in implementations():
        if entry.available():                       # why it cannot be had here
            continue
        model, x = entry.make(n, d), entry.streams(n, d)
        model(x)                                    # streams in, streams out, in its own layout
        entry.connections()                         # names, in the order in which they run
        entry.truth(model, x, n)                    # H as applied of each, float64 [tokens, n, n]
        entry.to_nd(model(x), n)                    # [tokens, n, d]

`truth` is right for the connection that runs first to what float32 rounds its logits by, and for a
later one to what it rounds its streams by too.
`NEVER` are the rows for which no sender can exist. Whole models of transformers: `models()`. What
is no connection: standins/lookalikes.py.
"""

from __future__ import annotations

from typing import Callable

from .standins import (
    deepseek,
    forks,
    handed,
    kromhc,
    liger,
    lite,
    lucidrains,
    megatron,
    megatron_variants,
    mindspeed,
    nemo,
    own,
    pypi,
    torchtitan,
    transformers_classes,
    x_transformers,
)
from .standins.base import Implementation, Reference, Site, Stack, measured
from .standins.whole_models import WholeModel, models

__all__ = [
    "NEVER",
    "ROWS",
    "Implementation",
    "Reference",
    "Site",
    "Stack",
    "WholeModel",
    "implementations",
    "measured",
    "models",
]

FAMILIES: tuple[Callable[[], list[Implementation]], ...] = (
    transformers_classes.implementations,
    deepseek.implementations,
    nemo.implementations,
    megatron.implementations,
    megatron_variants.implementations,
    torchtitan.implementations,
    handed.implementations,
    mindspeed.implementations,
    liger.implementations,
    lucidrains.implementations,
    x_transformers.implementations,
    lite.implementations,
    kromhc.implementations,
    pypi.implementations,
    forks.implementations,
    own.implementations,
)

# Rows without a module that a sender in PyTorch could read: by their name, why.
NEVER = {
    "PaddleFleet (ERNIE), MaxText, SkyRL-tx": "Paddle and JAX: POST /steps",
    "Attention Residuals": "softmax over the depth, no n x n map",
}

# The rows of the table, in its order.
ROWS = (
    "transformers deepseek_v4, glm5_next", "transformers hy_v4", "transformers qwen4_exp",
    "DeepSeek's inference code", "NeMo Automodel deepseek_v4",
    "NeMo deepseek_v41", "Megatron-LM main", "Megatron-LM dev", "Megatron gated residual",
    "mcore-bridge, ms-swift, Megatron-Bridge", "torchtitan main",
    "torchtitan-npu", "xorl, miles", "AMD Primus HyperMixer", "MindSpeed-LLM MHC",
    "Liger LigerMHC", "FlagOS Qwen3-mHC",
    "lucidrains hyper-connections 0.4.11", "x-transformers 2.31.10", "mhc-lite, KromHC",
    "go-mHC, TBP-mHC, C-mHC, TEMPER", "sHC",
    "JPmHC, EΔ-MHC-Geo, Householder", "tokenbender/mHC…, khoaoe fork, mwdgdx, mhc-poc",
    "PaddleFleet (ERNIE), MaxText, SkyRL-tx",
    "Attention Residuals", "PyPI",
)  # fmt: skip


def implementations() -> list[Implementation]:
    """All entries, in the order of the table as far as their files allow."""
    return [entry for family in FAMILIES for entry in family()]
