import { defineConfig } from 'vitest/config';

/** One project per kind of test, so that `vitest run --project NAME` picks a kind (docs/testing.md). */
const project = (
  name: string,
  extra: Record<string, unknown> = {},
): { extends: true; test: Record<string, unknown> } => ({
  extends: true,
  test: { name, include: [`test/${name}/**/*.test.ts`], ...extra },
});

export default defineConfig({
  test: {
    setupFiles: ['test/support/environment.ts'],
    sequence: { shuffle: { tests: true } },
    maxWorkers: 2,
    projects: [
      project('unit', { include: ['test/unit/**/*.test.ts', 'test/*.test.ts'] }),
      project('contract'),
      project('security', { testTimeout: 60_000 }),
      project('fuzz', { testTimeout: 600_000 }),
      project('integration', { testTimeout: 180_000, hookTimeout: 180_000 }),
      project('e2e', { testTimeout: 900_000, hookTimeout: 900_000, fileParallelism: false }),
    ],
  },
});
