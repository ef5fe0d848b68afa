"""How an implementation of hyper-connections is described, made, and known the truth of, in float64
NumPy. Knows no adapter and no package."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Callable, NamedTuple

import numpy as np
import torch
from torch import nn

Array = Any  # a float64 NumPy array
# kind, stored, exact of the entries that are met most
COMB_ROWS, COMB_COLUMNS = ("mhc", "comb", "rows"), ("mhc", "comb", "columns")
H_COLUMNS, COMB_BOTH = ("mhc", "H", "columns"), ("mhc", "comb", "doubly")
IDENTITY = ("identity", "identity", "doubly")
BATCH, LENGTH = 2, 6  # tokens of `streams`: 12


class Reference(NamedTuple):
    """What one connection does to its streams [tokens, n, d]: x' = h @ x + write(F(read))."""

    # [tokens, n, n] as applied (out_i = sum_j h_ij x_j); [1, n, n] where it is the same for all
    # tokens
    h: Array
    read: Array  # [tokens, d], the branch's input
    write: Callable[[Array], Array]  # branch output [tokens, d] -> what is added, [tokens, n, d]
    pre: Array | None = None  # [tokens, n] read gate, where there is one number a stream
    post: Array | None = None  # [tokens, n] write gate


@dataclass(frozen=True)
class Site:
    """One connection within a layer."""

    module: str  # its place in the layer ("": the layer itself)
    # (module, x [tokens, n, d], carried from site to site)
    reference: Callable[[Any, Array, dict[str, Any]], Reference]
    branch: str  # the place of what it wraps in the layer
    label: str = ""  # where one module holds several: attn, ffn


class Stack(nn.Module):
    """Layers that take and give streams in one layout."""

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


def bsnd(x: torch.Tensor) -> torch.Tensor:
    """[b, s, n, d], the layout of transformers and DeepSeek, as it is."""
    return x


def tokens_of(x: torch.Tensor, n: int) -> torch.Tensor:
    """[..., n, d] -> [tokens, n, d]."""
    return x.reshape(-1, *x.shape[-2:])


@dataclass(frozen=True)
class Implementation:
    """A row of the table, or a variant of it.

    row: of the table that it belongs to. layer: (n, d, index) -> a layer with random weights.
    kind: hc, mhc, identity, orthogonal or signed. stored: the matrix as the module has it, against
    how it is applied: "H", "comb", "identity" or "none". exact: which sums of H as applied are 1 to
    rounding: "rows", "columns", "doubly" or "none". found: "adapter", "matcher",
    "register" (an adapter of the user's own) or "never".
    pack: [b, s, n, d] -> its layout. unpack: its layout -> [tokens, n, d], tokens in the order in
    which H has them. available: "" or why not. fits: whether it can have n streams.
    factor: H is [factor n, factor n] (fractions). channels: d must be a multiple of it.
    matcher: (name, module, inputs, output) -> H or None, where found is "matcher".
    static: H is the same for all tokens, [1, n, n].
    collapsed: makes its streams of one and leaves one, so that x' is no [tokens, n, d].
    """

    name: str
    row: str
    layer: Callable[[int, int, int], nn.Module]
    sites: tuple[Site, ...]
    kind: str
    stored: str
    exact: str
    found: str = "adapter"
    pack: Callable[[torch.Tensor], torch.Tensor] = bsnd
    unpack: Callable[[torch.Tensor, int], torch.Tensor] = tokens_of
    available: Callable[[], str] = lambda: ""
    stack: Callable[[Sequence[nn.Module]], nn.Module] = Stack
    fits: Callable[[int], bool] = lambda n: n >= 1
    factor: int = 1
    channels: int = 1
    matcher: Callable[[str, Any, Any, Any], Any] | None = None
    static: bool = False
    collapsed: bool = False
    note: str = ""

    @property
    def bounded(self) -> str:
        """What bounds H as applied: "doubly" | "rows" | "columns" | "spectral" | "none"."""
        return "spectral" if self.kind in ("orthogonal", "signed") else self.exact

    def make(self, n: int, d: int, seed: int = 0, depth: int = 1) -> nn.Module:
        """`depth` layers of n streams and d channels, random enough that H is neither symmetric nor
        the identity."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return self.stack([self.layer(n, d, index) for index in range(depth)]).train()

    def streams(self, n: int, d: int, seed: int = 0, length: int = LENGTH) -> torch.Tensor:
        """Random streams of 2 x length tokens in the implementation's layout. length = n is where
        shapes are easiest mistaken."""
        generator = torch.Generator().manual_seed(seed)
        return self.pack(torch.randn(BATCH, length, n, d, generator=generator))

    def to_nd(self, x: torch.Tensor, n: int) -> torch.Tensor:
        """Its layout -> [tokens, factor n, d / factor], tokens in the order in which H has them."""
        return self.unpack(x, n)

    def connections(self, depth: int = 1) -> list[str]:
        """Names of the connections in the order in which they run, as an adapter should give
        them."""
        return [
            ".".join(part for part in (f"layers.{i}", site.module, site.label) if part)
            for i in range(depth)
            for site in self.sites
        ]

    def truth(self, model: nn.Module, x: torch.Tensor, n: int) -> list[Array]:
        """H as applied, [tokens, n, n] in float64, of each connection in the order in which they
        run."""
        return [reference.h for reference in self.references(model, x, n)[0]]

    def references(
        self, model: nn.Module, x: torch.Tensor, n: int
    ) -> tuple[list[Reference], Array]:
        """What each connection does, and the streams [tokens, n, d] that come out at the end, all
        in float64."""
        streams = self.to_nd(x, n).detach().double().numpy()
        made, carry = [], dict[str, Any]()
        for layer in model.layers:  # type: ignore[union-attr]
            for site in self.sites:
                reference = site.reference(layer.get_submodule(site.module), streams, carry)
                streams = reference.h @ streams + reference.write(
                    run_branch(layer.get_submodule(site.branch), reference.read)
                )
                made.append(reference)
        return made, streams

    def silence(self, model: nn.Module) -> None:
        """Has every branch give 0, for good: then x' = H x."""
        for layer in model.layers:  # type: ignore[union-attr]
            for site in self.sites:
                for parameter in layer.get_submodule(site.branch).parameters():
                    nn.init.zeros_(parameter)


def run_branch(branch: nn.Module, read: Array) -> Array:
    """What a branch of a token-wise kind gives for [tokens, d], in float64."""
    with torch.no_grad():
        return copy.deepcopy(branch).double()(torch.from_numpy(np.ascontiguousarray(read))).numpy()


def measured(implementation: Implementation, model: nn.Module, x: torch.Tensor, n: int) -> Array:
    """The product of all H of a silenced model, [tokens, n, n], solved for from what goes in and
    comes out; needs d >= n and no formula.

    Off by about 1e-6 times the condition number of the streams."""
    with torch.no_grad():
        out = implementation.to_nd(model(x), n).double().numpy()
    into = implementation.to_nd(x, n).double().numpy()
    return out @ np.linalg.pinv(into)
