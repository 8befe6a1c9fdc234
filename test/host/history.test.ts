import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { breakLease, lookAtLease, takeAll, takeLease } from '../../src/apply/lease.ts';
import { confirmTransaction, openOp, revertTransaction } from '../../src/apply/transaction.ts';
import { execute, observe } from '../../src/host/client.ts';
import { parseChanges, parseRun, type RunHead, runNote } from '../../src/plan/history.ts';
import type { Plan } from '../../src/plan/plan.ts';
import type { Op } from '../../src/resources/kind.ts';
import { localShell, SHELLS } from './local-shell.ts';

/** What a host keeps of its runs, and its lease, in a folder of the test's own, under each shell. */

let root = '';

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'lvsctl-history-'));
  put('/etc/os-release', 'ID=debian\n');
  put('/proc/uptime', '100.25 300.00\n');
  for (const name of ['kernel/osrelease', 'kernel/arch', 'kernel/random/boot_id', 'kernel/hostname'])
    put(`/proc/sys/${name}`, 'x\n');
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

function put(path: string, content: string, mode = 0o644): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), content);
  chmodSync(join(root, path), mode);
}

const HEAD: RunHead = {
  plan: 'abc',
  who: 'me@here',
  when: '2026-01-01T00:00:00.000Z',
  cluster: 'c',
  purpose: 'apply',
  changes: 1,
};

const note = (id: string, text = ''): Op => ({
  name: 'run_note',
  args: [],
  input: runNote(id, HEAD, [
    {
      key: 'file /etc/one',
      stage: 'web',
      direction: 'add',
      half: 'add',
      resource: { kind: 'file', path: '/etc/one', state: 'absent' },
      before: { text },
      wrote: [],
      shown: [],
    },
  ]),
});
const open = (id: string): Op =>
  openOp({ hosts: [{ name: 'here', revert: { ops: [], paths: [] } }] } as unknown as Plan, 'here', id, 60);

describe.each(Object.keys(SHELLS))('under %s', (shell) => {
  const here = () =>
    localShell({ shell: SHELLS[shell] ?? [], env: { LVSCTL_ROOT: root, PATH: process.env.PATH ?? '' } });

  async function run(...ops: Op[]): Promise<void> {
    const results = await execute(here(), ops);
    expect(results.map(({ status, output }) => `${status}${output}`)).toEqual(ops.map(() => 'done'));
  }

  async function told(): Promise<[string, string][]> {
    const { facts } = await observe(here(), { facts: ['history'], desire: () => [] });
    return (facts.history ?? []).map((past) => {
      const end = parseRun(past)?.end;
      return [past.id, end === undefined ? 'unread' : 'reason' in end ? `${end.state}: ${end.reason}` : end.state];
    });
  }

  const kept = () => readdirSync(join(root, 'var/lib/lvsctl/history')).sort();

  test('a run is open from its note on, and closed by confirming, taking back, or in so many words', async () => {
    expect(await told()).toEqual([]);
    await run(note('a1'), open('a1'));
    expect(await told()).toEqual([['a1', 'open']]);
    await confirmTransaction(here(), 'a1');
    await confirmTransaction(here(), 'a1');
    expect(await told()).toEqual([['a1', 'confirmed']]);
    await run(note('a2'), open('a2'));
    await revertTransaction(here(), 'a2', 'here/web: APPLY-OP-FAILED');
    await run(note('a3'));
    await run({ name: 'run_close', args: ['a1', 'done'] }, { name: 'run_close', args: ['a3', 'done'] });
    await run({ name: 'run_close', args: ['a3', 'failed twice'] });
    const all = [
      ['a1', 'confirmed'],
      ['a2', 'reverted: here/web: APPLY-OP-FAILED'],
      ['a3', 'done'],
    ];
    expect(await told()).toEqual(all);
    expect(kept()).toEqual(['10000001-a1', '10000002-a2', '10000003-a3']);
    // One whose end nobody told is closed by the next.
    await run(note('a4'));
    await run(note('a5'));
    expect(await told()).toEqual([...all, ['a4', 'failed: its end was not told'], ['a5', 'open']]);
  });

  test('one run with all its changes, and for its owner alone', async () => {
    await run(note('a1', 'first'), open('a1'));
    await confirmTransaction(here(), 'a1');
    await run(note('a2', 'second'), open('a2'));
    await confirmTransaction(here(), 'a2');
    const { facts } = await observe(here(), { facts: ['run:a1'], desire: () => [] });
    expect(facts.run && parseRun(facts.run)).toEqual({ ...HEAD, id: 'a1', end: { state: 'confirmed' } });
    expect(facts.run && parseChanges(facts.run)).toMatchObject([{ key: 'file /etc/one', before: { text: 'first' } }]);
    const modes = execFileSync('find', [join(root, 'var/lib/lvsctl/history'), '-printf', '%m\\n']).toString();
    expect([...new Set(modes.trim().split('\n'))].sort()).toEqual(['600', '700']);
  });

  test('what somebody else put among the entries is none, whatever its name', async () => {
    const strange = ['1bak-a1', '1x', '2026-01-01', '99999999999999999999-a0', '10000001.bak'];
    for (const name of strange) put(`/var/lib/lvsctl/history/${name}`, '');
    await run(note('a1'), open('a1'));
    expect(await confirmTransaction(here(), 'a1')).toEqual({ state: 'confirmed' });
    expect(existsSync(join(root, 'var/lib/lvsctl/tx'))).toBe(false);
    expect(kept()).toEqual([...strange, '10000001-a1'].sort());
    expect(await told()).toEqual([['a1', 'confirmed']]);
  });

  test('a power cut between the token and the entry loses neither, and tells it once', async () => {
    await run(note('a1'), open('a1'));
    const tx = join(root, 'var/lib/lvsctl/tx');
    process.kill(Number.parseInt(readFileSync(join(tx, 'guard'), 'utf8'), 10), 'SIGKILL');
    const entry = join(root, 'var/lib/lvsctl/history/10000001-a1');
    mkdirSync(dirname(entry), { recursive: true });
    // Cut when the entry was there already, and the note still.
    writeFileSync(entry, `confirmed\n${readFileSync(join(root, 'var/lib/lvsctl/run'), 'utf8')}`);
    execFileSync('mv', [join(tx, 'armed'), join(tx, 'confirmed')]);
    execFileSync(SHELLS[shell]?.[0] ?? '', [...(SHELLS[shell] ?? []).slice(1), join(tx, 'program'), 'settle'], {
      env: { ...process.env, LVSCTL_ROOT: root },
    });
    expect(await told()).toEqual([['a1', 'confirmed']]);
    // Cut while it was armed: taken back at boot.
    await run(note('a2'), open('a2'));
    process.kill(Number.parseInt(readFileSync(join(tx, 'guard'), 'utf8'), 10), 'SIGKILL');
    execFileSync(SHELLS[shell]?.[0] ?? '', [...(SHELLS[shell] ?? []).slice(1), join(tx, 'program'), 'settle'], {
      env: { ...process.env, LVSCTL_ROOT: root },
    });
    expect(await told()).toEqual([
      ['a1', 'confirmed'],
      ['a2', 'reverted: the host started anew before it was confirmed'],
    ]);
  });

  test('the last 20 are kept, and the copies that they name; 1 MiB in all, the newest in any case', async () => {
    const [old, fresh, other] = ['a', 'b', 'c'].map((letter) => letter.repeat(64));
    for (const hash of [old, fresh, other]) put(`/var/lib/lvsctl/before/${hash}`, 'x', 0o600);
    put('/var/lib/lvsctl/manifest.json', `{"x":"${other}"}`, 0o600);
    const close = (id: string): Op => ({ name: 'run_close', args: [id, 'done'] });
    await run(note('00', old), close('00'));
    for (let n = 10; n < 29; n += 1) await run(note(String(n), fresh), close(String(n)));
    expect(kept()).toHaveLength(20);
    await run({ name: 'before_prune', args: [] });
    expect(readdirSync(join(root, 'var/lib/lvsctl/before')).sort()).toEqual([old, fresh, other]);
    await run(note('29', fresh), close('29'));
    expect(kept()).toHaveLength(20);
    expect(kept()[0]).toBe('10000002-10');
    expect(readdirSync(join(root, 'var/lib/lvsctl/before')).sort()).toEqual([fresh, other]);
    await run(note('30', 'x'.repeat(600_000)), close('30'));
    await run(note('31', 'x'.repeat(400_000)), close('31'));
    expect(kept()).toHaveLength(20);
    await run(note('32', 'x'.repeat(600_000)), close('32'));
    expect(kept().map((name) => name.slice(9))).toEqual(['31', '32']);
    await run(note('33', 'x'.repeat(1_200_000)), close('33'));
    expect(kept().map((name) => name.slice(9))).toEqual(['33']);
  });

  test('addresses that come back are held until their profile has them, and let go whether or not they are there', async () => {
    put(
      '/bin/ip',
      '#!/bin/sh\n[ "$2" = addr ] || echo "$*" >>"$LVSCTL_ROOT/said"\necho "2: lo    inet 10.0.0.1/32 scope global lo"\n[ "$2" != del ]\n',
      0o755,
    );
    const stubbed = localShell({
      shell: SHELLS[shell] ?? [],
      env: { LVSCTL_ROOT: root, PATH: `${root}/bin:${process.env.PATH}` },
    });
    const ops = ['connection_hold', 'connection_let_go'].map((name) => ({
      name,
      args: ['lo', '10.0.0.1/32', '10.0.0.2/32'],
    }));
    expect((await execute(stubbed, ops)).map(({ status }) => status)).toEqual(['done', 'done']);
    expect(readFileSync(join(root, 'said'), 'utf8').split('\n')).toEqual([
      'addr add 10.0.0.2/32 dev lo',
      'addr del 10.0.0.1/32 dev lo',
      'addr del 10.0.0.2/32 dev lo',
      '',
    ]);
  });

  test('a lease is shown without being taken, and broken only as it was shown', async () => {
    expect(await lookAtLease(here())).toEqual({});
    const lease = await takeLease(here(), { id: 'abc1', reason: 'apply c' });
    if (!('release' in lease)) throw new Error('held');
    const shown = await lookAtLease(here());
    expect(shown).toMatchObject({ holder: { id: 'abc1', reason: 'apply c', left: 30 } });
    expect(shown.open).toBeUndefined();
    await run(note('abc1'), open('abc1'));
    expect(await lookAtLease(here())).toMatchObject({ holder: { id: 'abc1' }, open: 'abc1' });
    await expect(breakLease(here(), 'abc2')).rejects.toMatchObject({ problems: [{ code: 'LEASE-CHANGED' }] });
    await breakLease(here(), 'abc1');
    expect(await lookAtLease(here())).toEqual({ open: 'abc1' });
    // Its owner lives after all: it takes nothing back to itself, and moves no deadline on.
    const deadline = readFileSync(join(root, 'var/lib/lvsctl/tx/deadline'), 'utf8');
    put('/proc/uptime', '110.25 300.00\n');
    lease.confirm = 60;
    await new Promise((resolve) => setTimeout(resolve, 2500));
    expect(await lookAtLease(here())).toEqual({ open: 'abc1' });
    expect(readFileSync(join(root, 'var/lib/lvsctl/tx/deadline'), 'utf8')).toBe(deadline);
    const second = await takeAll(new Map([['here', here()]]), { id: 'abc3', reason: 'apply c', wait: 0 });
    await lease.release();
    expect(await lookAtLease(here())).toMatchObject({ holder: { id: 'abc3' } });
    await second.get('here')?.release();
    expect(readFileSync(join(root, 'run/lvsctl/lease'), 'utf8')).toMatch(/^abc3\n0\n/);
    await revertTransaction(here(), 'abc1', 'end of the test');
  });
});
