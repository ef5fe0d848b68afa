/**
 * The Python of the README runs as written, around a model of lucidrains' package: only what it takes from the user's training is
 * put before it.
 */
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startForTest } from '../support/commandLine.ts';
import { temporaryFolder } from '../support/folders.ts';
import { findPytorch, spawnPython } from '../support/pytorch.ts';
import { readmeBlocks } from '../support/readme.ts';

/** What the user has: a model, an optimizer, batches, a step that gives the loss. */
const TRAINING = `
import torch
import torch.nn.functional as F
import models

torch.manual_seed(0)
model = models.LanguageModel("lucidrains", "hc", 16, 2, 16)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
loader = [torch.randint(256, (2, 17)) for _ in range(10)]

def train_step(batch):
    optimizer.zero_grad()
    loss = F.cross_entropy(model(batch[:, :-1]).flatten(0, 1), batch[:, 1:].flatten())
    loss.backward()
    optimizer.step()
    return loss.detach()
`;

const python = findPytorch();

test.skipIf(python === null)('the lines of the README watch a PyTorch training', async () => {
  const folder = temporaryFolder();
  const monitor = await startForTest(['serve', '--port', '0', '--runs', join(folder, 'runs')]);
  const lines = readmeBlocks('python').find((code) => code.includes('run="hc-27b"'))!;
  const script = join(folder, 'train.py');
  writeFileSync(script, TRAINING + lines.replace('http://127.0.0.1:9464', monitor.url.replace(/\/$/, '')));
  const [code] = await once(spawnPython(python!, [script]), 'close');
  expect(code).toBe(0);
  const answer = await fetch(`${monitor.url}api/v1/runs/hc-27b`);
  expect(await answer.json()).toMatchObject({ outcome: 'completed', lastStep: 10, streams: 4, connectionCount: 4, kinds: ['hc'] });
});
