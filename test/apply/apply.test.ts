import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { applyPlan } from '../../src/apply/apply.ts';
import { ENGINE_VERSION } from '../../src/host/index.ts';
import { loadCluster } from '../../src/inventory/index.ts';
import { buildPlan } from '../../src/plan/build.ts';
import type { Plan } from '../../src/plan/plan.ts';
import { survey } from '../../src/survey/survey.ts';
import { localTransport } from '../../src/transport/local.ts';
import type { Transport } from '../../src/transport/types.ts';

/** Real operations on this machine, in a folder of the test's own; only their moment is chosen. */

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lvsctl-apply-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const limits = { parallel: 10, timeout: 60, stepTimeout: 60, confirmTimeout: 30, lockWait: 60 };

/** A plan that makes two files on one host; nothing is recorded, for that would stand outside of the folder. */
async function planOfTwoFiles(): Promise<Plan> {
  const owner = userInfo().username;
  const group = execFileSync('id', ['-gn'], { encoding: 'utf8' }).trim();
  const files = Object.fromEntries(
    ['one', 'two'].map((name) => [join(folder, name), { content: `${name}\n`, owner, group }]),
  );
  const inventory = join(folder, 'lvs.yaml');
  writeFileSync(inventory, JSON.stringify({ version: 1, name: 'test', hosts: { here: { files } } }));
  const cluster = loadCluster([inventory]);
  const read = await survey(cluster, cluster.hosts, { ...limits, transport: localTransport(), keep: false });
  const plan = buildPlan(
    { cluster, fingerprint: '', engine: ENGINE_VERSION, lab: false, created: '' },
    read.seen,
    read.unseen,
  );
  return { ...plan, steps: plan.steps.filter((step) => step.stage !== 'record') };
}

describe('applyPlan', () => {
  it('stopped in the middle of a step takes back what was done there, and says so', async () => {
    const plan = await planOfTwoFiles();
    const stop = new AbortController();
    const done: string[] = [];
    const result = await applyPlan(plan, {
      ...limits,
      transport: localTransport(),
      signal: stop.signal,
      onEvent: (event) => {
        if (event.type !== 'op-done') return;
        done.push(event.op);
        stop.abort();
      },
    });
    expect(done).toEqual(['file_put']);
    expect(existsSync(join(folder, 'one'))).toBe(false);
    expect(existsSync(join(folder, 'two'))).toBe(false);
    expect(result.interrupted).toBe(true);
    expect(result.hosts).toMatchObject([
      {
        status: 'reverted',
        done: [],
        missing: [`file ${folder}/one`, `file ${folder}/two`],
        problems: [{ code: 'APPLY-REVERTED' }],
      },
    ]);
  });

  it('stopped before its first step changes nothing and says so', async () => {
    const plan = await planOfTwoFiles();
    const stop = new AbortController();
    const applying = applyPlan(plan, {
      ...limits,
      transport: localTransport(),
      signal: stop.signal,
      onEvent: (event) => {
        if (event.type === 'checking') stop.abort();
      },
    });
    await expect(applying).rejects.toMatchObject({ exitCode: 130, problems: [{ code: 'INTERRUPTED' }] });
    expect(existsSync(join(folder, 'one'))).toBe(false);
  });
});

describe('a connection that is lost in the middle', () => {
  it('is made anew to read back what the host has', async () => {
    const plan = await planOfTwoFiles();
    const here = localTransport();
    let lost = false;
    const transport: Transport = {
      ...here,
      connect: async (target, options) => {
        const connection = await here.connect(target, options);
        lost = false;
        return {
          ...connection,
          open: async (argv, how) => {
            const session = await connection.open(argv, how);
            if (lost) session.kill();
            return session;
          },
        };
      },
    };
    const result = await applyPlan(plan, {
      ...limits,
      transport,
      onEvent: (event) => {
        if (event.type === 'step-started') lost = true;
      },
    });
    expect(Object.fromEntries(result.steps)).toEqual({ [plan.steps[0]?.id ?? '']: 'failed' });
    expect(result.hosts).toMatchObject([
      { status: 'partial', done: [], missing: plan.steps[0]?.changes.map(({ key }) => key) },
    ]);
    expect(result.hosts[0]?.problems).toHaveLength(1);
  });
});

describe('survey', () => {
  it('stopped while some hosts are read closes the connections that it kept', async () => {
    const hosts = Object.fromEntries(['a', 'b'].map((name) => [name, {}]));
    const inventory = join(folder, 'lvs.yaml');
    writeFileSync(inventory, JSON.stringify({ version: 1, name: 'test', hosts }));
    const cluster = loadCluster([inventory]);
    const stop = new AbortController();
    const here = localTransport();
    let open = 0;
    const transport: Transport = {
      ...here,
      connect: async (target, options) => {
        const connection = await here.connect(target, options);
        open += 1;
        return {
          ...connection,
          close: async () => {
            open -= 1;
            await connection.close();
          },
        };
      },
    };
    const reading = survey(cluster, cluster.hosts, {
      ...limits,
      parallel: 1,
      transport,
      keep: true,
      signal: stop.signal,
      onEvent: (event) => {
        if (event.type === 'read') stop.abort();
      },
    });
    await expect(reading).rejects.toMatchObject({ exitCode: 130, problems: [{ code: 'INTERRUPTED' }] });
    expect(open).toBe(0);
  });
});
