"""What is known of implementations: one file for each family, asked in this order. `protocol` says what an adapter is."""

from . import deepseek, deepseek_v4, hy_v4, lucidrains, megatron, qwen4_exp

ALL = (lucidrains.adapter, deepseek.adapter, deepseek_v4.adapter, hy_v4.adapter, qwen4_exp.adapter, megatron.adapter)
