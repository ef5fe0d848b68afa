"""What the monitor should show, worked out in float64 by NumPy from the mappings that train.py dumped: JSON, one entry per step.

    python measures.py FOLDER [FOLDER …]
"""
import json
import pathlib
import re
import sys

import numpy as np


def gains(h: np.ndarray) -> tuple:
    """Of [tokens, n, n]: the largest row sum and the largest column sum, means over the tokens."""
    return np.abs(h.sum(-1)).max(-1).mean(), np.abs(h.sum(-2)).max(-1).mean()


def measures(h: np.ndarray) -> dict:
    """Of [connections, tokens, n, n], the first connection being the model's first."""
    prefix, suffix = [h[0]], [h[-1]]
    for own in h[1:]:
        prefix.append(own @ prefix[-1])
    for own in h[-2::-1]:
        suffix.insert(0, suffix[0] @ own)
    found = {
        "forwardGain": [gains(own)[0] for own in h],
        "backwardGain": [gains(own)[1] for own in h],
        "compositeForwardGain": [gains(product)[0] for product in prefix],
        "compositeBackwardGain": [gains(product)[1] for product in suffix],
    }
    return {**found, "compositeGain": max(found["compositeForwardGain"] + found["compositeBackwardGain"])}


answer = {}
for folder in map(pathlib.Path, sys.argv[1:]):
    files = {int(re.fullmatch(r"step-(\d+)\.rank0", file.stem)[1]): file for file in folder.glob("step-*.rank0.npy")}
    answer[folder.name] = [{"step": step, **measures(np.load(files[step]))} for step in sorted(files)]
print(json.dumps(answer))
