"""What has the structure of a connection and gives something else: refused, said, and never raised into the training, nor into a graph."""

from __future__ import annotations

import unittest
from typing import Any

import numpy as np
import torch
from einops import einsum
from torch import nn

from ..standins import liger, megatron, megatron_variants
from ..standins.lucidrains import HC
from ..standins.packages import load
from .sampled import Watched, quiet, watched

N, D = 4, 16


def zeros(*shape: int) -> nn.Parameter:
    """A parameter."""
    return nn.Parameter(torch.zeros(shape))


class Fork(nn.Module):
    """tokenbender's, of one vector: the einsum that comes last is that of H_pre [n]."""

    def __init__(self, pattern: str = "s t, ... s d -> ... t d") -> None:
        super().__init__()
        self.num_residual_streams, self.pattern = N, pattern
        self.static_alpha = nn.Parameter(torch.eye(N))
        self.H_res_logits, self.H_pre_logits = (
            nn.Parameter(torch.randn(N, N)),
            nn.Parameter(torch.zeros(N)),
        )
        self.line = nn.Linear(D, D)

    def width_connection(
        self, residuals: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, dict[str, torch.Tensor]]:
        x = residuals.unflatten(0, (-1, N)).movedim(1, -2)
        mixed = einsum(self.H_res_logits.softmax(-1), x, self.pattern)
        return (
            einsum(self.H_pre_logits.softmax(-1), x, "s, ... s d -> ... d"),
            residuals,
            {"mixed": mixed},
        )

    def forward(self, residuals: torch.Tensor) -> torch.Tensor:
        y, _, rest = self.width_connection(residuals)
        return (rest["mixed"] + self.line(y).unsqueeze(-2)).movedim(-2, 1).flatten(0, 1)


class Mappings(megatron.HyperConnectionModule):
    """Megatron's, whose compute_mappings gives what `how` says."""

    def __init__(self, how: str) -> None:
        super().__init__(N, D)
        self.how = how

    def compute_mappings(self, x: torch.Tensor) -> Any:
        pre, post, res = super().compute_mappings(x)
        given: dict[str, Any] = {
            "a dict": {"h_res": res},
            "flat": (pre, post, res.flatten(2)),
            "tokens in another order": (pre, post, res.transpose(0, 1)),
            "twice": (pre, res, res),
            "another number of streams": (pre, post, res[..., :3, :3]),
            "nothing": None,
        }
        return given[self.how]

    def forward(self, hidden_states: torch.Tensor, *_: Any) -> torch.Tensor:  # type: ignore[override]
        self.compute_mappings(hidden_states)
        return self.apply_h_res(torch.eye(N).expand(*hidden_states.shape[:2], N, N), hidden_states)


class Passes(load("hyper-connections", HC).HyperConnections):  # type: ignore[misc]
    """As versions without H_res, and then another tensor."""

    def width_connection(self, residuals: torch.Tensor) -> Any:
        maybe_transformed_residuals = self.residual_transform(residuals)
        read, _, rest = super().width_connection(residuals)
        return read, maybe_transformed_residuals + 0, rest


class Refused(unittest.TestCase):
    def setUp(self) -> None:
        torch.set_num_threads(1)
        quiet(self)

    def run_both(self, model: nn.Module, x: torch.Tensor) -> tuple[list[Any], int]:
        """What is taken of it, run as it is, and the faults; compiled, its output is the same and nothing more is taken."""
        before = model(x)
        with watched(model, tokens=12) as watch:
            self.assertTrue(torch.equal(model(x), before))
            taken, errors = watch.take(), watch.faults.errors
        torch._dynamo.reset()
        with watched(model, tokens=12) as watch:
            compiled = torch.compile(model, backend="eager", fullgraph=True)
            self.assertTrue(torch.equal(compiled(x), before))
            self.assertEqual(len(watch.take()), len(taken))
        return taken, errors

    def test_the_fork_whose_last_einsum_is_of_one_vector_is_read_right(self) -> None:
        fork = Fork()
        taken, errors = self.run_both(nn.Sequential(fork), torch.randn(2 * N, 6, D))
        self.assertEqual(errors, 0)
        h = fork.H_res_logits.detach().double().softmax(-1).T.numpy()
        np.testing.assert_allclose(taken[0].h, h[None], atol=1e-6)
        self.assertEqual(taken[0].found.kind, "mhc")

    def test_an_einsum_of_another_pattern_is_left_alone(self) -> None:
        taken, errors = self.run_both(
            nn.Sequential(Fork("a b, ... a d -> ... b d")), torch.randn(2 * N, 6, D)
        )
        self.assertEqual((taken, errors), ([], 0))

    def test_megatrons_mappings_in_other_shapes(self) -> None:
        x = torch.randn(6, 2, N * D)
        for how in (
            "flat",
            "tokens in another order",
            "twice",
            "another number of streams",
            "nothing",
        ):
            with self.subTest(how):
                taken, errors = self.run_both(nn.Sequential(Mappings(how)), x)
                self.assertEqual((taken, errors), ([], 1))
        taken, errors = self.run_both(nn.Sequential(Mappings("a dict")), x)
        self.assertEqual((len(taken), errors), (1, 0))

    def test_streams_that_do_not_pass_on_as_they_were(self) -> None:
        model = nn.Sequential(Passes(N, dim=D, branch=nn.Linear(D, D)))
        model[0].residual_transform = nn.Identity()
        taken, errors = self.run_both(model, torch.randn(2 * N, 6, D))
        self.assertEqual((taken, errors), ([], 1))

    def test_liger_without_its_function(self) -> None:
        class Other(liger.LigerMHC):
            def forward(self, x: torch.Tensor) -> torch.Tensor:
                return x + self.layer(x)

        taken, errors = self.run_both(
            nn.Sequential(Other(nn.Linear(D, D), hc=N, c=D)), torch.randn(2, 6, N, D)
        )
        self.assertEqual((taken, errors), ([], 1))

    def test_a_gated_residual_that_gives_a_matrix(self) -> None:
        class Matrix(megatron_variants.GatedResidualHyperConnection):
            def forward(self, hidden_states: torch.Tensor, *_: Any) -> Any:
                read, _, post = super().forward(hidden_states)
                return read, torch.eye(N), post

        model = Matrix(N, D)
        x = torch.randn(6, 2, N * D)
        with watched(nn.ModuleList([model])) as watch:
            model(x)
            self.assertEqual((watch.names(), watch.take(), watch.faults.errors), (["0"], [], 1))

    def test_more_streams_than_the_monitor_takes_are_refused_by_watch(self) -> None:
        model = load("hyper-connections", HC).HyperConnections(
            11, dim=D, num_fracs=4, branch=nn.Identity()
        )
        with self.assertRaisesRegex(ValueError, r"^model: .* 1 to 32 streams \(given 44 in "):
            Watched(model)

    def test_names_alone_do_not_make_a_connection(self) -> None:
        class HyperConnections(nn.Module):
            def __init__(self, **attributes: Any) -> None:
                super().__init__()
                for name, value in attributes.items():
                    setattr(self, name, value)

            def width_connection(self, x: torch.Tensor) -> torch.Tensor:
                return x

            prepare = compute_mappings = apply_h_res = compute_weights = expand = hc_pre = (
                _sinkhorn
            ) = forward = width_connection

        known: dict[str, dict[str, Any]] = {
            "static_alpha of other rows": {"num_residual_streams": N, "static_alpha": zeros(3, 5)},
            "static_alpha without a view": {"num_residual_streams": N, "static_alpha": zeros(N, N)},
            "static_alpha of no mixture": {"num_residual_streams": N, "static_alpha": zeros(9), "residual_scale": zeros(1)},
            "streams that are no number": {"num_residual_streams": None, "static_alpha": zeros(N, N + 1)},
            "a projection of other rows": {"n": N, "mapping_proj": nn.Linear(N * D, N * N), "bias": zeros(24)},
            "a projection of no streams": {"n": N, "mapping_proj": nn.Linear(18, 24), "bias": zeros(24)},
            "phi of other columns": {"hc": N, "phi": zeros(N * D, N), "b": zeros(N), "alpha_pre": 1, "alpha_post": 1, "alpha_res": 1},
            "b_res without a matrix": {"num_streams": N, "phi_res": nn.Linear(N * D, N * N), "b_res": zeros(N), "alpha_res": zeros(1)},
            "H_res_logits without gates": {"num_streams": N, "H_res_logits": zeros(N, N)},
            "no permutations": {"s": N, "dim": D, "alpha_proj": nn.Linear(N * D, N + 24), "perm_mats": zeros(24, N, 3)},
            "a mixer's fn of other rows": {"hc_mult": N, "fn": nn.Linear(N * D, N), "base": zeros(N), "scale": zeros(3)},
            "gates of other sizes": {"num_residual_streams": N, "read_gain": zeros(N, D), "static_write_logit": zeros(3)},
        }  # fmt: skip
        for what, attributes in known.items():
            with self.subTest(what), watched(HyperConnections(**attributes)) as watch:
                self.assertEqual((watch.names(), watch.faults.errors), ([], 0))


if __name__ == "__main__":
    unittest.main()
