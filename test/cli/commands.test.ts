import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };
import { freePort, type Sshd, startSshd } from '../transport/sshd.ts';
import { lvsctl } from './lvsctl.ts';

const dr = new URL('../../inventories/dr-wrr.yaml', import.meta.url).pathname;

let folder: string;
let sshd: Sshd;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'lvsctl-cli-'));
  sshd = await startSshd();
});
afterAll(async () => {
  await sshd.stop();
  rmSync(folder, { recursive: true });
});

/** An inventory of hosts on this machine, each wanting one file that isn't there. */
function inventory(name: string, hosts: Record<string, object>): string {
  const file = join(folder, name);
  const files = { [join(folder, 'wanted')]: { content: 'hello\n' } };
  const all = Object.entries(hosts).map(([host, ssh]) => [host, { ssh, files }]);
  writeFileSync(file, JSON.stringify({ version: 1, name: 'test', hosts: Object.fromEntries(all) }));
  return file;
}

function good(): object {
  return {
    address: '127.0.0.1',
    port: sshd.port,
    user: sshd.user,
    identity_file: sshd.identityFile,
    known_hosts: sshd.knownHosts,
  };
}

describe('lvsctl', () => {
  it('tells its version', async () => {
    expect(await lvsctl(['--version'])).toEqual({ code: 0, out: packageJson.version, err: '' });
  });

  it.each([
    'validate',
    'explain',
    'rules',
    'schema',
    'init',
    'import',
    'lint',
    'graph',
    'plan',
    'apply',
    'destroy',
    'history',
    'show',
    'rollback',
    'unlock',
    'verify',
    'lab',
    'demo',
    'completion',
  ])('lists %s in its help', async (command) => {
    const help = await lvsctl(['--help']);
    expect(help.code).toBe(0);
    expect(help.out).toMatch(new RegExp(`^ +${command} `, 'mu'));
    expect((await lvsctl([command, '--help'])).code).toBe(0);
  });

  it('corrects a misspelt command', async () => {
    const run = await lvsctl(['vaildate']);
    expect(run.code).toBe(1);
    expect(run.err).toContain('validate');
  });

  it.each(['bash', 'zsh', 'fish', 'powershell'])('completes in %s', async (shell) => {
    const script = await lvsctl(['completion', shell]);
    expect(script.code).toBe(0);
    expect(script.out).toContain('lvsctl');
    const words = await lvsctl(['complete', '--', 'pl']);
    expect(words.out).toMatch(/^plan\b/mu);
  });

  it('validates the example', async () => {
    const run = await lvsctl(['validate', '-i', dr]);
    expect(run).toMatchObject({ code: 0, err: '' });
    expect(run.out).toContain('dr-wrr: 5 hosts (4 managed), 1 service');
  });
});

describe('bad input', () => {
  const cases: [string, () => string[], string][] = [
    ['no inventory', () => ['validate', '-i', join(folder, 'none.yaml')], 'INV-NO-FILE'],
    ['no plan file', () => ['apply', join(folder, 'none.plan')], 'PLAN-NOT-FOUND'],
    ['a host that is not there', () => ['plan', '-i', dr, '--limit', 'nobody'], 'CLI-UNKNOWN-HOST'],
    ['no terminal to ask on', () => ['apply', '-i', dr], 'CLI-NO-TERMINAL'],
    ['no lab', () => ['plan', '-i', inventory('nolab.yaml', { a: good() }), '--lab'], 'LAB-NOT-UP'],
    ['several hosts that are all this machine', () => ['plan', '-i', dr, '--transport', 'local'], 'CLI-LOCAL'],
    ['a lab that is this machine', () => ['apply', '-i', dr, '--lab', '--yes', '--transport', 'local'], 'CLI-LOCAL'],
  ];
  it.each(cases)('%s: one error, exit code 1', async (_name, args, code) => {
    const run = await lvsctl(args());
    expect(run.code).toBe(1);
    expect(run.err).toContain(code);
    expect(run.err).not.toMatch(/^\s+at /mu);
    const json = await lvsctl([...args(), '--json']);
    expect(json.code).toBe(1);
    const errors = json.out
      .split('\n')
      .map((line) => JSON.parse(line))
      .filter((event) => event.event === 'error');
    expect(errors).toEqual([
      expect.objectContaining({ v: 1, code, what: expect.any(String), next: expect.any(String) }),
    ]);
  });
});

describe('plan', () => {
  it('shows the hosts that it can read, says what it could not see, and exits with 1', async () => {
    const closed = await freePort();
    const file = inventory('two.yaml', { here: good(), gone: { ...good(), port: closed } });
    const run = await lvsctl(['plan', '-i', file]);
    expect(run.code).toBe(1);
    expect(run.out).toContain('here  127.0.0.1');
    expect(run.out).toContain('+hello');
    expect(run.out).toMatch(/gone {2}could not be read\n {2}host gone, connect: SSH-REFUSED/u);
    expect(run.out).toMatch(/gone not read\.$/u);

    const apply = await lvsctl(['apply', '-i', file, '--yes']);
    expect(apply.code).toBe(1);
    expect(apply.err).toContain('APPLY-UNREACHABLE');
  });

  it('exits with 2 for changes when asked to, and saves a plan that says what it will do', async () => {
    const file = inventory('one.yaml', { here: good() });
    const saved = join(folder, 'one.plan');
    const run = await lvsctl(['plan', '-i', file, '--detailed-exitcode', '--out', saved]);
    expect(run.code).toBe(2);
    const json = await lvsctl(['plan', '-i', file, '--json']);
    expect(json.code).toBe(0);
    const plan = json.out
      .split('\n')
      .map((line) => JSON.parse(line))
      .find((event) => event.event === 'plan');
    const [change] = plan.plan.steps.flatMap((step: { changes: object[] }) => step.changes);
    expect(change).toMatchObject({ key: `file ${join(folder, 'wanted')}`, direction: 'add' });

    // The inventory changes: the saved plan is no longer what anybody describes.
    inventory('one.yaml', { here: { ...good(), user: 'somebody' } });
    const apply = await lvsctl(['apply', saved]);
    expect(apply.code).toBe(1);
    expect(apply.err).toContain('PLAN-INVENTORY-CHANGED');
  });

  it('refuses a host with another key than the known one', async () => {
    const other = await startSshd();
    try {
      writeFileSync(
        join(folder, 'known'),
        (await import('node:fs')).readFileSync(other.knownHosts, 'utf8').replace(String(other.port), String(sshd.port)),
      );
      const file = inventory('key.yaml', { here: { ...good(), known_hosts: join(folder, 'known') } });
      const run = await lvsctl(['plan', '-i', file]);
      expect(run.code).toBe(1);
      expect(run.out).toContain('SSH-HOST-KEY-CHANGED');
    } finally {
      await other.stop();
    }
  });
});

describe('lvsctl destroy', () => {
  it('without a terminal wants to be told --yes', async () => {
    const run = await lvsctl(['destroy', '-i', inventory('one.yaml', { here: good() })]);
    expect(run.code).toBe(1);
    expect(run.err).toContain('CLI-NO-TERMINAL');
  });

  it('refuses a host that others go on sending requests to, and names them', async () => {
    const file = fileURLToPath(new URL('../../inventories/dr-wrr.yaml', import.meta.url));
    const refused = await lvsctl(['destroy', '--yes', '--limit', 'rs1,route', '-i', file]);
    expect(refused.code).toBe(1);
    expect(refused.err).toContain('DESTROY-STILL-ASKED');
    expect(refused.err).toContain('director would go on sending requests of service web to rs1');
    expect(refused.err).toContain('--limit rs1,route,director');
  });

  it('changes nothing anywhere while a host can not be read', async () => {
    const gone = { ...good(), port: await freePort() };
    const file = inventory('two.yaml', { here: good(), gone });
    const refused = await lvsctl(['destroy', '--yes', '-i', file]);
    expect(refused.code).toBe(1);
    expect(refused.err).toContain('APPLY-UNREACHABLE');
  });
});
