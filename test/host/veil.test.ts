import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { execute, observe } from '../../src/host/client.ts';
import { makeVeil, type Veil } from '../../src/host/veil.ts';
import { readKey } from '../../src/host/veil-key.ts';
import { buildPlan } from '../../src/plan/build.ts';
import { parseChanges, pastChanges, runNote, takenBack } from '../../src/plan/history.ts';
import { parseManifest, removals, type StagedResource } from '../../src/plan/manifest.ts';
import { isEmpty, type Plan } from '../../src/plan/plan.ts';
import { makePaint } from '../../src/report/paint.ts';
import { planText } from '../../src/report/plan-text.ts';
import type { FileResource } from '../../src/resources/index.ts';
import { bareHost, emptyCluster } from '../plan/empty.ts';
import { localShell } from './local-shell.ts';

/** The real host program on a folder of the test's own: what it gets, what comes back, and what a plan holds of it. */

const OLD = 'vrrp {\n  auth_pass 1111-old\n  advert_int 1\n}\n';
const TEXT = 'vrrp {\n  auth_pass <secret vrrp.edge.auth_pass>\n  advert_int 1\n}\n';
const PATH = '/etc/keepalived/keepalived.conf';
const filled = (secret: string) => TEXT.replace('<secret vrrp.edge.auth_pass>', secret);
const sha = (text: string) => createHash('sha256').update(text).digest('hex');

let root = '';
const me = execFileSync('id', ['-un']).toString().trim();
const group = execFileSync('id', ['-gn']).toString().trim();
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'lvsctl-veil-'));
  put('/etc/os-release', 'ID=debian\n');
  put('/bin/sync', '#!/bin/sh\n');
  chmodSync(join(root, 'bin/sync'), 0o755);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function put(path: string, content: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), content);
}
const on = (path: string) => readFileSync(join(root, path), 'utf8');
const connection = () => localShell({ env: { LVSCTL_ROOT: root, PATH: `${root}/bin:${process.env.PATH}` } });
const veilOf = (secret: string | undefined, key = 'k'): Veil =>
  makeVeil(new Map(secret === undefined ? [] : [['vrrp.edge.auth_pass', secret]]), () => Buffer.from(key));

const file: FileResource = {
  kind: 'file',
  path: PATH,
  state: 'present',
  content: TEXT,
  owner: me,
  group,
  mode: '0600',
};
const wanted: StagedResource[] = [{ stage: 'rules', resource: file }];
const host = bareHost('here');

async function plan(veil: Veil, desired: StagedResource[] | 'destroy' | { run: string } = wanted): Promise<Plan> {
  let asked: StagedResource[] = [];
  const run = typeof desired === 'object' && 'run' in desired ? desired.run : undefined;
  const { states, facts } = await observe(connection(), {
    facts: run === undefined ? [] : [`run:${run}`],
    desire: (seen) => {
      if (typeof desired === 'object' && 'run' in desired) asked = takenBack(seen.run ? parseChanges(seen.run) : []);
      else asked = desired === 'destroy' ? removals(parseManifest(seen.manifest), [], 'destroy') : desired;
      return asked.map(({ resource }) => resource);
    },
    veil,
  });
  const cluster = emptyCluster();
  const context = { cluster, fingerprint: '', engine: '', lab: false, created: '' };
  const purpose = run !== undefined ? 'rollback' : desired === 'destroy' ? 'destroy' : 'apply';
  return buildPlan(context, [{ host, facts, desired: asked, states }], [], purpose);
}

/** As apply does: a process of its own looks again before it changes anything. */
async function apply(made: Plan, veil: Veil, run = 'a0'): Promise<string> {
  const changes = made.steps.flatMap((step) => step.changes);
  await observe(connection(), { facts: [], desire: () => changes.map(({ resource }) => resource), veil });
  const head = { plan: '', who: '', when: '', cluster: '', purpose: made.purpose, changes: changes.length };
  const ops = [
    { name: 'run_note', args: [], input: runNote(run, head, pastChanges(made, 'here')) },
    ...made.steps.flatMap((step) => [...step.changes.flatMap((change) => change.ops), ...step.ops]),
    { name: 'run_close', args: [run, 'done'] },
  ];
  const results = await execute(connection(), JSON.parse(JSON.stringify(ops)), { veil });
  expect(results.filter(({ status }) => status !== 'done')).toEqual([]);
  return JSON.stringify(results);
}

/** All that an operator, a log or a file of lvsctl's gets to see. */
const seen = (made: Plan) => `${JSON.stringify(made)}\n${planText(made, makePaint(false))}`;

describe('a secret', () => {
  test('stands in the file on the host and nowhere else, and the file is its owner’s alone', async () => {
    const made = await plan(veilOf('s3cret-1'));
    const results = await apply(made, veilOf('s3cret-1'));
    expect(on(PATH)).toBe(filled('s3cret-1'));
    expect(statSync(join(root, PATH)).mode & 0o777).toBe(0o600);
    const manifest = on('/var/lib/lvsctl/manifest.json');
    for (const text of [seen(made), results, manifest]) {
      expect(text).not.toContain('s3cret-1');
      expect(text).not.toContain(sha(filled('s3cret-1')));
    }
    expect(seen(made)).toContain('auth_pass <secret vrrp.edge.auth_pass>');
    expect(isEmpty(await plan(veilOf('s3cret-1')))).toBe(true);
    // The same for an operator with another key.
    expect(isEmpty(await plan(veilOf('s3cret-1', 'other')))).toBe(true);
  });

  test('that stood there before is shown to nobody, and given back', async () => {
    put(PATH, OLD);
    chmodSync(join(root, PATH), 0o640);
    const made = await plan(veilOf('s3cret-1'));
    expect(seen(made)).not.toContain('1111-old');
    expect(seen(made)).not.toContain(sha(OLD));
    expect(seen(made)).toContain('-  auth_pass <hidden>');
    await apply(made, veilOf('s3cret-1'));
    expect(on(PATH)).toBe(filled('s3cret-1'));
    expect(readdirSync(join(root, 'var/lib/lvsctl/before'))).toEqual([sha(OLD)]);

    // Whoever gives it back needs neither the secret nor the key of the one who wrote it.
    const back = await plan(veilOf(undefined, 'other'), 'destroy');
    expect(back.warnings).toEqual([]);
    for (const text of ['s3cret-1', '1111-old', sha(OLD), sha(filled('s3cret-1'))])
      expect(seen(back)).not.toContain(text);
    await apply(back, veilOf(undefined, 'other'));
    expect(on(PATH)).toBe(OLD);
    expect(statSync(join(root, PATH)).mode & 0o777).toBe(0o640);
    expect(existsSync(join(root, 'var/lib/lvsctl'))).toBe(false);
  });

  test('that changed is a change, of which both sides are hidden', async () => {
    await apply(await plan(veilOf('s3cret-1')), veilOf('s3cret-1'));
    const made = await plan(veilOf('s3cret-2'));
    expect(made.steps.flatMap(({ changes }) => changes).map(({ key }) => key)).toEqual([`file ${PATH}`]);
    expect(seen(made)).toContain('auth_pass <hidden>');
    for (const text of ['s3cret-1', 's3cret-2', sha(filled('s3cret-1'))]) expect(seen(made)).not.toContain(text);
    await apply(made, veilOf('s3cret-2'));
    expect(on(PATH)).toBe(filled('s3cret-2'));
  });

  test('that stayed shows only what else changed', async () => {
    await apply(await plan(veilOf('s3cret-1')), veilOf('s3cret-1'));
    const content = TEXT.replace('advert_int 1', 'advert_int 2');
    const made = await plan(veilOf('s3cret-1'), [{ stage: 'rules', resource: { ...file, content } }]);
    expect(seen(made)).toContain('-  advert_int 1');
    expect(seen(made)).not.toContain('-  auth_pass');
    expect(seen(made)).not.toContain('s3cret-1');
  });

  test('in a file that somebody changed: destroy leaves it, and shows it to nobody', async () => {
    await apply(await plan(veilOf('s3cret-1')), veilOf('s3cret-1'));
    put(PATH, filled('by-hand'));
    const back = await plan(veilOf(undefined), 'destroy');
    expect(back.warnings).toMatchObject([{ key: `file ${PATH}` }]);
    for (const text of ['by-hand', sha(filled('by-hand'))]) expect(seen(back)).not.toContain(text);
  });

  test('that was rotated comes back by a rollback, seen by nobody, whoever does it', async () => {
    put(PATH, OLD);
    await apply(await plan(veilOf('s3cret-1')), veilOf('s3cret-1'), 'a1');
    await apply(await plan(veilOf('s3cret-2')), veilOf('s3cret-2'), 'a2');
    const all = ['1111-old', 's3cret-1', 's3cret-2', sha(OLD), sha(filled('s3cret-1')), sha(filled('s3cret-2'))];
    const history = () => {
      const path = 'var/lib/lvsctl/history';
      return readdirSync(join(root, path)).map((name) => readFileSync(join(root, path, name), 'utf8'));
    };
    // The bare hash of what was there names its copy, beside it and for root alone; of what was written there is none.
    for (const text of [...all.slice(0, 3), sha(filled('s3cret-2'))]) expect(history().join()).not.toContain(text);
    const { facts } = await observe(connection(), {
      facts: ['run:a2'],
      desire: () => [],
      veil: veilOf(undefined, 'other'),
    });
    for (const text of all) expect(JSON.stringify(facts.run)).not.toContain(text);
    expect(JSON.stringify(facts.run)).toContain('auth_pass <hidden>');

    // A rollback can't be saved: one process plans and applies it.
    const other = veilOf(undefined, 'other');
    const back = await plan(other, { run: 'a2' });
    expect(back.warnings).toEqual([]);
    for (const text of all) expect(seen(back)).not.toContain(text);
    await apply(back, other, 'a3');
    expect(on(PATH)).toBe(filled('s3cret-1'));
    expect(isEmpty(await plan(veilOf('s3cret-1')))).toBe(true);
    const mine = veilOf(undefined);
    const again = await plan(mine, { run: 'a3' });
    expect(again.warnings).toEqual([]);
    for (const text of all) expect(seen(again)).not.toContain(text);
    await apply(again, mine, 'a4');
    expect(on(PATH)).toBe(filled('s3cret-2'));
    for (const text of all.slice(0, 3)) expect(history().join()).not.toContain(text);
    const gone = await plan(veilOf(undefined, 'third'), 'destroy');
    expect(gone.warnings).toEqual([]);
    await apply(gone, veilOf(undefined, 'third'), 'a5');
    expect(on(PATH)).toBe(OLD);
  });

  test('is hidden in what an operation prints', () => {
    expect(veilOf('s3cret-1').hidden('line 2: auth_pass s3cret-1')).toBe(
      'line 2: auth_pass <secret vrrp.edge.auth_pass>',
    );
  });

  test('shows by no digest in what an operation prints: that of a file of short passwords can be guessed from', async () => {
    put(PATH, OLD);
    const veil = veilOf('s3cret-1');
    const made = await plan(veil);
    const digests = [sha(OLD), sha(filled('s3cret-1'))];
    const [before] =
      JSON.stringify(made.steps.flatMap((step) => step.changes)).match(/(?<="before":{[^}]*)[0-9a-f]{64}/) ?? [];
    const op = { name: 'file_restore', args: [PATH, me, group, '0600', before ?? ''] };
    const [gone] = await execute(connection(), [op], { veil });
    expect(gone?.output).toMatch(new RegExp(`the copy of ${PATH} that lvsctl kept is gone: .*/before/${before}$`));
    for (const one of digests) expect(veil.hidden(digests.join())).not.toContain(one);
    expect(veil.hidden(sha('else'))).toBe(sha('else'));
  });

  test('is never replaced by its place on a host', async () => {
    const ops = [{ name: 'file_put', args: [PATH, me, group, '0600'], input: TEXT }];
    await expect(execute(connection(), ops)).rejects.toThrow('there is no veil');
  });
});

describe('the operator’s key', () => {
  test('is made once, for its owner alone', () => {
    const path = join(root, 'state/key');
    const key = readKey(path);
    expect(key).toHaveLength(32);
    expect(readKey(path)).toEqual(key);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(dirname(path)).mode & 0o777).toBe(0o700);
  });
  test('is refused where others may read it, or it is no key', () => {
    const path = join(root, 'state/key');
    readKey(path);
    chmodSync(path, 0o644);
    expect(() => readKey(path)).toThrow('SECRET-KEY');
    chmodSync(path, 0o600);
    writeFileSync(path, 'x\n');
    expect(() => readKey(path)).toThrow('it is not whole');
  });
});

test('a service that is read back alone loaded the file with its secret', () => {
  const veil = veilOf('s3cret-1');
  veil.observation('a').asked([file]);
  const said = `@unit keepalived.service\n@recorded\n@loaded ${sha(filled('s3cret-1'))}  ${PATH}\n`;
  const seen = veil.observation('a').frame({ words: ['kind', 'service'], content: Buffer.from(said) });
  expect(seen.content.toString()).toContain(`@loaded ${sha(TEXT)}  ${PATH}\n`);
});
