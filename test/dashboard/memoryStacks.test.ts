/** The memory of the connections: bars, sums and exports. */
import { expect, test } from 'vitest';
import { memoryCsv, memoryJson } from '../../dashboard/model/exports.ts';
import { barPaths, byteTicks, highestOf, memoryOf } from '../../dashboard/model/memoryStacks.ts';

test('memory: bars on one another, sums, and what is not known', () => {
  const connections = {
    parameters: [100, 200],
    activations: [300, 'NaN' as const],
    branch_activations: ['NaN' as const, 'NaN' as const],
    gradients: [0, 0],
    optimizer: [0, 0],
  };
  const totals = { parameters: 1000, allocated: 5000 };
  const memory = memoryOf({ connections, totals }, ['parameters', 'activations', 'branch_activations']);
  expect(memory.stacks.map(({ total }) => total)).toEqual([1000, 300, null]);
  expect([memory.accounted, memory.allocated, highestOf(memory.stacks)]).toEqual([1300, 5000, 400]);
  expect(barPaths(memory.stacks, 100)).toEqual([
    'M0.05 100.00V75.00h0.9V100.00zM1.05 100.00V50.00h0.9V100.00z',
    'M0.05 75.00V0.00h0.9V75.00z',
    '',
  ]);
  expect(memoryCsv(memory, ['a', 'b'])).toBe(
    'connection,parameters (bytes),activations (bytes),branch_activations (bytes)\r\na,100,300,\r\nb,200,,\r\n',
  );
  expect(JSON.parse(memoryJson('hc', 7, memory, ['a', 'b']))).toEqual({
    run: 'hc',
    step: 7,
    chart: 'memory',
    connections: [
      { connection: 'a', parameters: 100, activations: 300, branch_activations: null },
      { connection: 'b', parameters: 200, activations: null, branch_activations: null },
    ],
    totals: { parameters: 1000, activations: 300, branch_activations: null, allocated: 5000 },
  });
  expect(memoryOf({ connections, totals: {} }, ['parameters']).allocated).toBeNull();
  expect(byteTicks(400)).toEqual([128, 256, 384]);
});
