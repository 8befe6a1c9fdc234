import { defineConfig } from 'vitest/config';

/** `npm run test:all` runs the long lab tests too: files named *.all.test.ts. */
const all = process.env.LVSCTL_TEST_ALL !== undefined;

export default defineConfig({
  test: {
    globalSetup: ['test/global-setup.ts'],
    include: ['test/**/*.test.ts'],
    exclude: all ? [] : ['test/**/*.all.test.ts'],
    // Two cores: the lab's machines need them too.
    maxWorkers: 2,
    testTimeout: 240_000,
    hookTimeout: 600_000,
  },
});
