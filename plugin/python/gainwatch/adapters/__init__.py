"""What is known of implementations: one file for each family, asked in this order. `protocol` says what an adapter is."""

from . import deepseek, deepseek_v4, liger, lite, lucidrains, megatron, mhc_ddim, mhc_pytorch, primus, x_transformers

ALL = (
    lucidrains.adapter,
    lucidrains.unmixed,
    x_transformers.adapter,
    x_transformers.gated,
    deepseek.adapter,
    deepseek_v4.adapter,
    primus.adapter,
    megatron.adapter,
    megatron.gated,
    liger.adapter,
    lite.adapter,
    lite.fast,
    mhc_pytorch.adapter,
    mhc_ddim.adapter,
)
