"""What is known of implementations: one file for each family, asked in this order. `protocol` says what an adapter is."""

from . import (
    deepseek,
    deepseek_v4,
    hy_v4,
    liger,
    lite,
    lucidrains,
    megatron,
    megatron_gated,
    mhc_ddim,
    mhc_pytorch,
    primus,
    qwen4_exp,
    x_transformers,
)

ALL = (
    lucidrains.adapter,
    lucidrains.unmixed,
    x_transformers.adapter,
    x_transformers.gated,
    deepseek.adapter,
    deepseek_v4.adapter,
    hy_v4.adapter,
    megatron.adapter,
    megatron_gated.adapter,
    qwen4_exp.adapter,
    primus.adapter,
    liger.adapter,
    lite.adapter,
    lite.fast,
    mhc_pytorch.adapter,
    mhc_ddim.adapter,
)
