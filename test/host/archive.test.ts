import { execFileSync, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { execute, observe } from '../../src/host/client.ts';
import { type ArchiveResource, diffOne, keyOf } from '../../src/resources/index.ts';
import type { Session } from '../../src/transport/types.ts';
import { localShell, SHELLS } from './local-shell.ts';

let root = '';
let beside = '';

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'lvsctl-archive-'));
  beside = mkdtempSync(join(tmpdir(), 'lvsctl-archive-from-'));
  put(root, 'etc/os-release', 'ID=debian\nVERSION_ID="12"\n');
  stub('sync', 'echo synced >>"$LVSCTL_ROOT/synced"');
});

afterEach(() => {
  rmSync(root, { recursive: true, force: true });
  rmSync(beside, { recursive: true, force: true });
});

function put(folder: string, path: string, content: string | Buffer, mode = 0o644): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), content);
  chmodSync(join(folder, path), mode);
}

function stub(name: string, script: string): void {
  put(root, `bin/${name}`, `#!/bin/sh\n${script}\n`, 0o755);
}

function here(shell: string) {
  return localShell({
    shell: SHELLS[shell] ?? [],
    env: { LVSCTL_ROOT: root, PATH: `${root}/bin:${process.env.PATH}` },
  });
}

/** Packs these entries of `beside/tree` and describes what is to come of them. */
function packed(...entries: string[]): ArchiveResource {
  const file = join(beside, 'tool-1.0.tar.gz');
  execFileSync('tar', ['-czf', file, '-C', join(beside, 'tree'), ...entries]);
  const sha256 = createHash('sha256').update(readFileSync(file)).digest('hex');
  return { kind: 'archive', state: 'present', path: '/opt/lvsctl/tool-1.0', file, sha256 };
}

async function pendingOps(shell: string, resource: ArchiveResource) {
  const { states, facts } = await observe(here(shell), { facts: [], desire: () => [resource] });
  return diffOne(resource, states.get(keyOf(resource)), facts).flatMap(({ ops }) => ops);
}

const at = (path: string) => join(root, 'opt/lvsctl', path);

describe.each(Object.keys(SHELLS))('under %s', (shell) => {
  test('an archive becomes a tree that root alone may write, by one step; then there is nothing to do', async () => {
    // Several MiB that don't compress: sent in many pieces, taken in blocks.
    const bytes = randomBytes(5 * 1024 * 1024 + 12_345);
    put(beside, 'tree/tool-1.0/lib/data', bytes, 0o600);
    put(beside, 'tree/tool-1.0/bin/run', '#!/bin/sh\n', 0o770);
    put(beside, 'tree/tool-1.0/.hidden', 'x', 0o666);
    chmodSync(join(beside, 'tree/tool-1.0/lib'), 0o700);
    const resource = packed('tool-1.0');
    expect(await execute(here(shell), await pendingOps(shell, resource))).toMatchObject([
      { status: 'done', output: '' },
    ]);
    expect(readFileSync(at('tool-1.0/lib/data')).equals(bytes)).toBe(true);
    const modes = ['', 'lib', 'lib/data', 'bin/run', '.hidden'].map(
      (name) => statSync(at(`tool-1.0/${name}`)).mode & 0o7777,
    );
    expect(modes).toEqual([0o755, 0o755, 0o644, 0o755, 0o644]);
    expect(readdirSync(at(''))).toEqual(['tool-1.0']);
    expect(await pendingOps(shell, resource)).toEqual([]);
    // On the disk before it is in its place, and once more at the end of the session.
    expect(readFileSync(join(root, 'synced'), 'utf8')).toBe('synced\nsynced\n');
  });

  test('without an only top folder, all of it is the tree', async () => {
    put(beside, 'tree/a', '1');
    put(beside, 'tree/b', '2');
    await execute(here(shell), await pendingOps(shell, packed('a', 'b')));
    expect(readdirSync(at('tool-1.0')).toSorted()).toEqual(['.lvsctl-sha256', 'a', 'b']);
  });

  test('something that lvsctl did not unpack is replaced as a whole', async () => {
    put(root, 'opt/lvsctl/tool-1.0/old', '1');
    put(beside, 'tree/tool-1.0/new', '2');
    await execute(here(shell), await pendingOps(shell, packed('tool-1.0')));
    expect(readdirSync(at('tool-1.0')).toSorted()).toEqual(['.lvsctl-sha256', 'new']);
    expect(readdirSync(at(''))).toEqual(['tool-1.0']);
  });

  test('what an earlier transaction left aside is neither in the way nor taken for what was there', async () => {
    put(root, 'var/lib/lvsctl/tx/armed', '');
    put(root, 'opt/lvsctl/tool-1.0/good', '1');
    put(root, 'opt/lvsctl/.lvsctl-aside.tool-1.0/stale', '2');
    const one = (name: string) => execute(here(shell), [{ name, args: ['/opt/lvsctl/tool-1.0'] }]);
    // Taken back before it was begun.
    expect(await one('archive_back')).toMatchObject([{ status: 'done' }]);
    expect(readdirSync(at('tool-1.0'))).toEqual(['good']);
    expect(await one('archive_remove')).toMatchObject([{ status: 'done' }]);
    expect(existsSync(at('tool-1.0'))).toBe(false);
    expect(await one('archive_back')).toMatchObject([{ status: 'done' }]);
    expect(readdirSync(at('tool-1.0'))).toEqual(['good']);
    expect(readdirSync(at(''))).toEqual(['tool-1.0']);
  });

  test('goes again with the folder that was made for it', async () => {
    put(beside, 'tree/tool-1.0/a', '1');
    const resource = packed('tool-1.0');
    await execute(here(shell), await pendingOps(shell, resource));
    const gone: ArchiveResource = { ...resource, state: 'absent' };
    expect(await execute(here(shell), await pendingOps(shell, gone))).toMatchObject([{ status: 'done' }]);
    expect(existsSync(at(''))).toBe(false);
    expect(await pendingOps(shell, gone)).toEqual([]);
  });

  test.each<[string, (resource: ArchiveResource) => void, string]>([
    ['changed since it was planned', ({ file }) => writeFileSync(file, 'other bytes'), 'was the archive changed?'],
    [
      'no archive at all',
      (resource) => {
        writeFileSync(resource.file, 'no gzip');
        resource.sha256 = createHash('sha256').update('no gzip').digest('hex');
      },
      'gzip',
    ],
    ['a disk that is full', () => stub('dd', 'exit 1'), "can't write"],
  ])('%s: an error, and nothing is left', async (_name, harm, words) => {
    put(beside, 'tree/tool-1.0/data', randomBytes(3 * 1024 * 1024));
    const resource = packed('tool-1.0');
    harm(resource);
    const ops = await pendingOps(shell, resource);
    const [result] = await execute(here(shell), ops);
    expect(result?.status).toBe('failed');
    expect(result?.output).toContain(words);
    expect(readdirSync(at(''))).toEqual([]);
  });
});

test('what a connection that was lost left behind goes at the next time, what others are doing stays', async () => {
  // The host program bears its name in its arguments; a process that got the number of a dead one does not.
  const ours = spawn('sh', ['-c', 'read -r line', 'lvsctl', 'apply'], { stdio: ['pipe', 'ignore', 'ignore'] });
  const other = spawn('sh', ['-c', 'read -r line'], { stdio: ['pipe', 'ignore', 'ignore'] });
  try {
    put(beside, 'tree/tool-1.0/a', '1');
    for (const pid of [999999999, ours.pid, other.pid]) put(root, `opt/lvsctl/.lvsctl.${pid}/archive`, 'half');
    await execute(here('dash'), await pendingOps('dash', packed('tool-1.0')));
    expect(readdirSync(at('')).toSorted()).toEqual([`.lvsctl.${ours.pid}`, 'tool-1.0']);
  } finally {
    ours.stdin?.end();
    other.stdin?.end();
  }
});

test('a link out of the tree does not take anything else along', async () => {
  put(root, 'elsewhere/secret', 'x', 0o600);
  mkdirSync(join(beside, 'tree/tool-1.0'), { recursive: true });
  symlinkSync(join(root, 'elsewhere/secret'), join(beside, 'tree/tool-1.0/link'));
  await execute(here('dash'), await pendingOps('dash', packed('tool-1.0')));
  expect(statSync(join(root, 'elsewhere/secret')).mode & 0o777).toBe(0o600);
});

test('a file that is gone, or becomes shorter while it is sent, is an error that names it; the host has nothing', async () => {
  put(beside, 'tree/tool-1.0/data', randomBytes(3 * 1024 * 1024));
  const resource = packed('tool-1.0');
  const ops = await pendingOps('dash', resource);
  const shell = here('dash');
  let sent = 0;
  const shrinking = {
    ...shell,
    async open(...args: Parameters<typeof shell.open>): Promise<Session> {
      const session = await shell.open(...args);
      return {
        ...session,
        write: async (chunk) => {
          if (chunk.length > 100_000) sent += 1;
          if (sent === 2) writeFileSync(resource.file, 'short');
          await session.write(chunk);
        },
      };
    },
  };
  await expect(execute(shrinking, ops)).rejects.toThrow('it became shorter while it was sent');
  expect(sent).toBe(2);
  rmSync(resource.file);
  await expect(execute(here('dash'), ops)).rejects.toThrow(/ENOENT.*tool-1\.0\.tar\.gz/);
  expect(existsSync(at('tool-1.0'))).toBe(false);
});

test('of a long file one piece at a time is on its way: no more is read than the host takes', async () => {
  put(beside, 'tree/tool-1.0/data', randomBytes(8 * 1024 * 1024));
  const ops = await pendingOps('dash', packed('tool-1.0'));
  const shell = here('dash');
  let waiting = 0;
  let most = 0;
  const slow = {
    ...shell,
    async open(...args: Parameters<typeof shell.open>): Promise<Session> {
      const session = await shell.open(...args);
      return {
        ...session,
        write: async (chunk) => {
          waiting += chunk.length;
          most = Math.max(most, waiting);
          await session.write(chunk);
          await new Promise((resolve) => setImmediate(resolve));
          waiting -= chunk.length;
        },
      };
    },
  };
  expect(await execute(slow, ops)).toMatchObject([{ status: 'done' }]);
  expect(most).toBe(256 * 1024);
});
