"""What is known of implementations: one file for each family, asked in this order. `protocol` says what an adapter is."""

from . import deepseek, deepseek_v4, lucidrains, megatron

ALL = (lucidrains.adapter, deepseek.adapter, deepseek_v4.adapter, megatron.adapter)
