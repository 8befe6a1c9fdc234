import { defineConfig } from 'vitest/config';

/** `npm run test:all` runs the long lab tests too: files named *.all.test.ts. */
const all = process.env.LVSCTL_TEST_ALL !== undefined;

/** What counts lost requests runs by itself, after everything else: they are to tell of lvsctl, not of the machine. */
const ALONE = 'test/lab/zero-loss.all.test.ts';

const shared = { testTimeout: 240_000, hookTimeout: 600_000 };

export default defineConfig({
  test: {
    globalSetup: ['test/global-setup.ts'],
    // Two cores: the lab's machines need them too.
    maxWorkers: 2,
    projects: [
      {
        test: {
          ...shared,
          name: 'tests',
          include: ['test/**/*.test.ts'],
          exclude: all ? [ALONE] : ['test/**/*.all.test.ts'],
        },
      },
      ...(all ? [{ test: { ...shared, name: 'alone', include: [ALONE], sequence: { groupOrder: 1 } } }] : []),
    ],
  },
});
