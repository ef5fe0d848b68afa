"""That transformers' own decoder layers do what the references say, in tiny whole models."""

from __future__ import annotations

import unittest
from typing import Any

import numpy as np
import torch

from .implementations import models
from .standins.packages import missing
from .test_implementations import worst


@unittest.skipIf(missing("transformers"), "transformers is not installed")
class TestWholeModels(unittest.TestCase):
    def test_decoder_layers_apply_the_truth(self) -> None:
        """A layer of transformers' own with its branches silenced takes random streams x to H_ffn
        H_attn x."""
        for whole in models():
            with self.subTest(whole.name):
                model, n = whole.make(0), whole.streams
                places = whole.places(model)
                self.assertEqual(len(places), 2 * whole.depth)
                layers = list(dict.fromkeys(name.rsplit(".", 1)[0] for name in places))
                seen: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}

                def noisy(module: Any, args: Any, kwargs: Any) -> Any:
                    g = torch.Generator().manual_seed(1)
                    noise = lambda x: x + torch.randn(x.shape, generator=g)  # noqa: E731
                    return (
                        ((noise(args[0]), *args[1:]), kwargs)
                        if args
                        else (args, {**kwargs, "hidden_states": noise(kwargs["hidden_states"])})
                    )

                def keep(module: Any, args: Any, kwargs: Any, out: Any, name: str) -> None:
                    into = args[0] if args else kwargs["hidden_states"]
                    seen[name] = into.detach(), (out[0] if isinstance(out, tuple) else out).detach()

                for name in layers:
                    layer = model.get_submodule(name)
                    for branch in ("self_attn", "linear_attn", "mlp"):
                        for parameter in getattr(layer, branch, torch.nn.Identity()).parameters():
                            torch.nn.init.zeros_(parameter)
                    layer.register_forward_pre_hook(noisy, with_kwargs=True)
                    layer.register_forward_hook(
                        lambda m, a, k, o, name=name: keep(m, a, k, o, name), with_kwargs=True
                    )
                given = whole.entering(model)
                truth = whole.truth(model, given)
                for name in layers:
                    into, out = (whole.nd(x, n).double().numpy() for x in seen[name])
                    first, second = (
                        truth[place] for place in places if place.startswith(f"{name}.")
                    )
                    self.assertLess(worst(out @ np.linalg.pinv(into), second @ first), 1e-5)
                    if whole.kind == "mhc":
                        self.assertLess(worst(first.sum(-1), 1), 2e-6)
                        self.assertGreater(worst(first.sum(-2), 1), 1e-4)

    def test_they_train(self) -> None:
        for whole in models():
            with self.subTest(whole.name):
                model = whole.make(0)
                out = model(input_ids=whole.ids(), use_cache=False)
                loss = (
                    (out.logits if hasattr(out, "logits") else out.last_hidden_state)
                    .square()
                    .mean()
                )
                loss.backward()
                first = model.get_submodule(whole.places(model)[0])
                self.assertTrue(
                    any(
                        p.grad is not None and bool(p.grad.abs().sum() > 0)
                        for p in first.parameters()
                    )
                )
