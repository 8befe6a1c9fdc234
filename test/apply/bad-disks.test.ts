import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type ApplyResult, applyPlan } from '../../src/apply/apply.ts';
import { LvsctlError, type Problem } from '../../src/errors/index.ts';
import { observe } from '../../src/host/client.ts';
import { buildPlan } from '../../src/plan/build.ts';
import type { StagedResource } from '../../src/plan/manifest.ts';
import type { Plan } from '../../src/plan/plan.ts';
import type { Connection, Transport } from '../../src/transport/types.ts';
import { localShell } from '../host/local-shell.ts';
import { bareHost, emptyCluster } from '../plan/empty.ts';

/** Disks that are full or read-only, and a clock years off: real file systems in a mount namespace of the test's own. */

let root: string;
let keeper: ChildProcess;

/** The host: its root of 2 MiB, and a /run of its own, as on a real one. */
const HOST = `
mount -t tmpfs -o size=2m none "$1" && mkdir "$1/run" && mount -t tmpfs -o size=256k none "$1/run" && cd "$1" || exit 1
mkdir -p bin etc proc/sys/kernel/random var/lib
echo ID=debian >etc/os-release
echo old >etc/one
ln -s /proc/uptime proc/uptime
for name in osrelease arch hostname random/boot_id; do echo x >proc/sys/kernel/$name; done
printf '#!/bin/sh\\n' >bin/sync
chmod 0755 bin/sync
echo ready
exec sleep 1000`;

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'lvsctl-disk-'));
  keeper = spawn('unshare', ['-Urm', 'sh', '-c', HOST, 'sh', root], { stdio: ['ignore', 'pipe', 'inherit'] });
  if (keeper.stdout === null) throw new Error('no output');
  await once(keeper.stdout, 'data');
});
afterEach(async () => {
  keeper.kill('SIGKILL');
  await once(keeper, 'exit');
  rmSync(root, { recursive: true, force: true });
});

const inside = () => ['nsenter', '-t', String(keeper.pid), '-U', '-m', '--preserve-credentials'];
const on = (script: string) => {
  const [command = '', ...words] = inside();
  return execFileSync(command, [...words, 'sh', '-c', `cd "$0" && ${script}`, root], { encoding: 'utf8' });
};
const here = (): Connection =>
  localShell({
    shell: [...inside(), 'dash'],
    env: { LVSCTL_ROOT: root, PATH: `${root}/bin:${process.env.PATH}` },
  });
const transport: Transport = { connect: async () => here(), close: async () => undefined };

const file = (path: string, content: string, stage: StagedResource['stage']): StagedResource => ({
  stage,
  resource: { kind: 'file', path, state: 'present', content, owner: 'root', group: 'root', mode: '0644' },
});
const SMALL = [file('/etc/one', 'new\n', 'application')];
const LARGE = [...SMALL, file('/etc/two', 'x'.repeat(4 * 1024 * 1024), 'web')];

async function planOf(desired: StagedResource[]): Promise<Plan> {
  const { facts, states } = await observe(here(), { facts: [], desire: () => desired.map(({ resource }) => resource) });
  const host = bareHost('here');
  const context = { fingerprint: '', engine: '', lab: false, created: new Date().toISOString() };
  return buildPlan({ cluster: emptyCluster(), ...context }, [{ host, facts, states, desired }], []);
}

const LIMITS = { parallel: 10, timeout: 60, stepTimeout: 60, confirmTimeout: 60, transport };

async function apply(plan: Plan): Promise<{ status: string; problems: readonly Problem[] }> {
  try {
    const { hosts }: ApplyResult = await applyPlan(plan, LIMITS);
    return { status: hosts[0]?.status ?? '', problems: hosts[0]?.problems ?? [] };
  } catch (error) {
    if (error instanceof LvsctlError) return { status: 'refused', problems: error.problems };
    throw error;
  }
}

const CASES: [string, string, StagedResource[], string, RegExp][] = [
  ['a root that is full', 'dd if=/dev/zero of=fill 2>/dev/null || true', SMALL, 'unchanged', /space|full/],
  ['a root that gets full on the way', 'true', LARGE, 'reverted', /disk full/],
  ['a root that is read-only', 'mount -o remount,ro .', SMALL, 'unchanged', /[Rr]ead-only/],
  [
    'a /run that is full',
    'dd if=/dev/zero of=run/fill 2>/dev/null; mkdir run/lvsctl || true',
    SMALL,
    'refused',
    /space|full/,
  ],
  ['a /run that is read-only', 'mount -o remount,ro run', SMALL, 'refused', /[Rr]ead-only/],
];

test.each(CASES)('%s: said so, and everything is as it was', async (_, how, desired, status, words) => {
  const plan = await planOf(desired);
  on(how);
  const found = await apply(plan);
  expect(found.status).toBe(status);
  expect(found.problems.length).toBeGreaterThan(0);
  for (const { code, place, next } of found.problems) {
    expect(code).toMatch(/^(APPLY|LEASE|HOST)-/);
    expect(place).toMatchObject({ kind: 'host', host: 'here' });
    expect(next).not.toBe('');
  }
  expect(found.problems.map(({ what }) => what).join('\n')).toMatch(words);
  expect(on('cat etc/one; ls etc; ls -A var/lib/lvsctl/tx 2>/dev/null || true')).toBe('old\none\nos-release\n');
});

test.each(['1970-01-01', '2038-01-20', '2199-12-31'])('a clock of %s, and files of the future', async (date) => {
  // Nothing here can set a kernel's clock: files and date(1) are what a program would see of it.
  on(
    `find etc -exec touch -d ${date} {} + && printf '#!/bin/sh\\nexec /bin/date -d ${date} "$@"\\n' >bin/date && chmod 755 bin/date`,
  );
  const plan = await planOf(SMALL);
  expect(await apply(plan)).toEqual({ status: 'done', problems: [] });
  expect((await planOf(SMALL)).steps).toEqual([]);
});
