import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 240_000,
    hookTimeout: 240_000,
    // What is waited for comes, however busy the machine is: a test that fails waits this long, no other does.
    expect: { poll: { timeout: 30_000 } },
    pool: 'forks',
    maxWorkers: 2,
    // WebGPU without a card: lavapipe takes longer to optimise a shader than the tests take to run it.
    env: { GALLIVM_PERF: 'nopt' },
  },
});
