"""The same mHC connection in eager PyTorch, forward and backward: bytes that must move over the time it takes, as a share of the
card's copy bandwidth, measured in turns. To stand beside `npm run bench -- --backend webgpu --only kernels` on the same card.

    python3 test/bench/gpu/pytorch.py [--tokens 65536] [--width 1024] [--streams 4] [--rounds 20] [--device cuda]
"""

import argparse
import statistics
import time

import torch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=65536)
    parser.add_argument("--width", type=int, default=1024)
    parser.add_argument("--streams", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args = parser.parse_args()
    t, n, c, device = args.tokens, args.streams, args.width, args.device
    name = torch.cuda.get_device_name() if device == "cuda" else "CPU"
    print(f"{name}, torch {torch.__version__}; {t} tokens, n = {n}, C = {c}, float32, {args.rounds} rounds\n")

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, device=device, requires_grad=True)

    x, f, phi = normal(t, n, c), normal(t, c), normal(n * c, n * n + 2 * n)
    pre, post, res, logits = normal(t, n), normal(t, n), normal(t, n, n), normal(t, n, n)
    alpha, bias = torch.full((3,), 0.01, device=device, requires_grad=True), normal(n * n + 2 * n)
    spread = torch.tensor([0] * n + [1] * n + [2] * n * n, device=device)

    def project():
        flat = x.reshape(t, n * c)
        return flat @ phi, torch.rsqrt(flat.square().mean(-1) + 1e-6)

    def sinkhorn(h: torch.Tensor) -> torch.Tensor:
        m = torch.exp(h - h.amax(-2, keepdim=True))
        for _ in range(20):
            m = m / m.sum(-2, keepdim=True)
            m = m / m.sum(-1, keepdim=True)
        return m

    def read(h_pre: torch.Tensor) -> torch.Tensor:
        return torch.einsum("tj,tjc->tc", h_pre, x)

    def write(h_res: torch.Tensor, h_post: torch.Tensor) -> torch.Tensor:
        return h_res @ x + h_post[:, :, None] * f[:, None, :]

    def connection() -> torch.Tensor:
        """All of it, with F(u) = u + f."""
        p, s = project()
        h = alpha[spread] * (p * s[:, None]) + bias
        h_pre, h_post, h_res = h.split([n, n, n * n], -1)
        u = read(torch.sigmoid(h_pre))
        return sinkhorn(h_res.reshape(t, n, n)) @ x + (2 * torch.sigmoid(h_post))[:, :, None] * (u + f)[:, None, :]

    # Floats read and written that no cache holds, per token, as in ../kernels.ts.
    cases = {
        "project, mHC": (n * c + n * n + 2 * n + 1, project),
        "sinkhorn": (2 * n * n, lambda: sinkhorn(logits)),
        "readStreams": ((n + 1) * c + n, lambda: read(pre)),
        "writeStreams": ((2 * n + 1) * c + n * n + n, lambda: write(res, post)),
        "a whole connection": ((4 * n + 3) * c, connection),
    }

    def seconds(run) -> float:
        if device == "cuda":
            torch.cuda.synchronize()
        start = time.perf_counter()
        run()
        if device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - start

    print("| | MiB moved | forward, ms | of a copy | forward and backward, ms |\n| --- | ---: | ---: | ---: | ---: |")
    for label, (floats, run) in cases.items():
        source = torch.ones(floats * t // 2, device=device)
        target = torch.empty_like(source)
        copies, forwards, boths = [], [], []

        def both() -> None:
            outputs = run()
            outputs = outputs if isinstance(outputs, tuple) else (outputs,)
            sum(output.sum() for output in outputs).backward()

        def forward() -> None:
            with torch.no_grad():
                run()

        for turn in range(-2, args.rounds):
            times = seconds(lambda: target.copy_(source)), seconds(forward), seconds(both)
            if turn >= 0:
                for values, value in zip((copies, forwards, boths), times):
                    values.append(value)
        share = statistics.median(copy / forward for copy, forward in zip(copies, forwards))
        moved = 4 * floats * t / 2**20
        print(
            f"| {label} | {moved:.0f} | {1e3 * statistics.median(forwards):.3f} | {100 * share:.0f} % | {1e3 * statistics.median(boths):.3f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
