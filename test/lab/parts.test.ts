import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { proxyOptions, sourcesOf, stepOf } from '../../src/lab/archive.ts';
import { checkPlatform, parallelStarts } from '../../src/lab/check.ts';
import { ownerCommands } from '../../src/lab/image.ts';
import { layout } from '../../src/lab/layout.ts';
import { withLock } from '../../src/lab/lock.ts';
import { socketPath } from '../../src/lab/paths.ts';
import { DEBIAN, recipeHash } from '../../src/lab/recipe.ts';
import { run } from '../../src/lab/run.ts';
import { quoted } from '../../src/lab/shell.ts';
import { readLine } from '../../src/lab/wire.ts';
import { cluster, host } from './hosts.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'lvsctl-lab-parts-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('package sources', () => {
  it('are the distribution’s own of this release, each once', () => {
    const targets = [
      'http://mirror.example/debian|bookworm|bookworm|main|Debian',
      'http://mirror.example/debian|bookworm|bookworm|main|Debian',
      'http://mirror.example/debian|oldstable-updates|bookworm-updates|main|Debian',
      'http://mirror.example/debian-security|bookworm-security|bookworm-security|main|Debian',
      'http://mirror.example/debian|trixie|trixie|main|Debian',
      'https://other.example/node|nodistro|nodistro|main|Other',
      '',
    ].join('\n');
    expect(sourcesOf(targets, 'bookworm')).toEqual([
      'deb http://mirror.example/debian bookworm main',
      'deb http://mirror.example/debian oldstable-updates main',
      'deb http://mirror.example/debian-security bookworm-security main',
    ]);
  });
  it('go through the proxies that apt has', () => {
    const dump =
      'APT "";\nAcquire::http::Proxy "http://proxy.example:3128/";\nAcquire::https::Proxy "";\nAcquire::http::Proxy::a.example "DIRECT";\n';
    expect(proxyOptions(dump)).toEqual([
      '--aptopt=Acquire::http::Proxy "http://proxy.example:3128/";',
      '--aptopt=Acquire::http::Proxy::a.example "DIRECT";',
    ]);
  });
  it.each([
    ['I: extracting archives...', 'extracting archives...'],
    ["I: running --customize-hook in shell: sh -c 'set -eu", 'gathering what hosts will be able to install'],
    ['I: automatically chosen mode: unshare', undefined],
    ['W: something', undefined],
  ])('%s', (line, shown) => {
    expect(stepOf(line)).toBe(shown);
  });
});

describe('owners in the image', () => {
  it('are set for what isn’t root’s, once a file', () => {
    const listing = [
      'drwxr-xr-x 0/0               0 2026-07-04 15:38 ./',
      '-rwsr-xr-- 0/106         51272 2026-03-08 20:21 ./usr/lib/dbus-1.0/dbus-daemon-launch-helper',
      'drwxrwsr-x 0/50              0 2026-07-04 15:38 ./var/local/',
      'hrwxr-sr-x 0/42              0 2026-07-04 15:38 ./usr/bin/other link to ./usr/bin/chage',
      'lrwxrwxrwx 5/6               0 2026-07-04 15:38 ./etc/a -> b',
      'drwx------ 42/0              0 2026-07-04 15:38 ./var/lib/a b/',
    ].join('\n');
    expect(ownerCommands(listing)).toEqual([
      'sif "/usr/lib/dbus-1.0/dbus-daemon-launch-helper" uid 0',
      'sif "/usr/lib/dbus-1.0/dbus-daemon-launch-helper" gid 106',
      'sif "/var/local" uid 0',
      'sif "/var/local" gid 50',
      'sif "/etc/a" uid 5',
      'sif "/etc/a" gid 6',
      'sif "/var/lib/a b" uid 42',
      'sif "/var/lib/a b" gid 0',
    ]);
  });
});

describe('what this machine has to have', () => {
  const made = layout(
    cluster(
      '/x',
      Array.from({ length: 5 }, (_, at) => host(`h${at}`, [])),
    ),
  );
  it.each([
    [2, 4],
    [1, 2],
    [16, 5],
  ])('%i cores start %i of five hosts at once', (cores, at) => {
    expect(parallelStarts(made, 100_000, cores)).toBe(at);
  });
  it('says how much memory is missing', () => {
    expect(() => parallelStarts(made, 1000, 2)).toThrow('need 1480 MB of memory, and 1000 MB are free');
  });
  it.each([
    ['darwin', 'x64'],
    ['linux', 'arm64'],
  ])('%s on %s has no such kernels', (platform, arch) => {
    expect(() => checkPlatform(platform, arch)).toThrow('LAB-PLATFORM');
  });
  it('puts the socket where its path fits', () => {
    expect(socketPath('/home/u/.cache/lvsctl/labs/0123456789ab')).toBe(
      '/home/u/.cache/lvsctl/labs/0123456789ab/control',
    );
    const long = `/${'x'.repeat(100)}/0123456789ab`;
    const before = process.env.XDG_RUNTIME_DIR;
    try {
      process.env.XDG_RUNTIME_DIR = '/run/user/1000';
      expect(socketPath(long)).toBe('/run/user/1000/lvsctl-lab-0123456789ab');
      delete process.env.XDG_RUNTIME_DIR;
      expect(() => socketPath(long)).toThrow('LAB-PATH-TOO-LONG');
    } finally {
      if (before !== undefined) process.env.XDG_RUNTIME_DIR = before;
    }
  });
  it('builds another image for another release or kernel', () => {
    const hashes = [
      recipeHash(DEBIAN, { codename: 'bookworm', kernel: '6.1.1' }),
      recipeHash(DEBIAN, { codename: 'trixie', kernel: '6.1.1' }),
      recipeHash(DEBIAN, { codename: 'bookworm', kernel: '6.1.2' }),
    ];
    expect(new Set(hashes).size).toBe(3);
    expect(recipeHash(DEBIAN, { codename: 'bookworm', kernel: '6.1.1' })).toBe(hashes[0]);
  });
});

describe('locks', () => {
  it('let one in at a time', async () => {
    const lock = join(folder, 'one.lock');
    let inside = 0;
    let most = 0;
    const work = () =>
      withLock(lock, async () => {
        inside += 1;
        most = Math.max(most, inside);
        await new Promise((resolve) => setTimeout(resolve, 20));
        inside -= 1;
      });
    await Promise.all([work(), work(), work()]);
    expect(most).toBe(1);
  });
  it('pass on from a holder that died', async () => {
    const lock = join(folder, 'dead.lock');
    mkdirSync(lock);
    // No process has this number: it is above Linux’s highest (proc(5), pid_max).
    writeFileSync(join(lock, 'pid'), '4194305');
    expect(await withLock(lock, async () => 'in')).toBe('in');
  });
  it('give up when interrupted', async () => {
    const lock = join(folder, 'held.lock');
    await withLock(lock, async () => {
      const waiting = withLock(lock, async () => 'in', { signal: AbortSignal.abort() });
      await expect(waiting).rejects.toThrow('LAB-INTERRUPTED');
    });
  });
});

describe('programs', () => {
  it('that fail are reported with their last words', async () => {
    await expect(run(['sh', '-c', 'echo one >&2; echo two >&2; exit 4'])).rejects.toThrow(/ended with 4: one; two/);
  });
  it('that are missing are named', async () => {
    await expect(run(['no-such-program'])).rejects.toThrow(/LAB-TOOL-FAILED.*no-such-program/);
  });
  it('are ended by an abort', async () => {
    await expect(run(['sleep', '600'], { signal: AbortSignal.timeout(50) })).rejects.toMatchObject({ exitCode: 130 });
  });
  it('get words as they are', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.string({ unit: 'grapheme-ascii' }), { maxLength: 3 }), async (words) => {
        const shown = words.map((word) => word.replaceAll('\0', ''));
        expect(await run(['sh', '-c', `printf '%s\\n' ${quoted(['', ...shown, '.'])}`])).toBe(
          ['', ...shown, '.'].join('\n'),
        );
      }),
      { numRuns: 30 },
    );
  });
});

describe('control lines', () => {
  async function pair(): Promise<{ near: Socket; far: Socket; close: () => void }> {
    const server = createServer({ allowHalfOpen: true });
    server.listen(join(folder, 'wire'));
    await once(server, 'listening');
    const near = connect({ path: join(folder, 'wire'), allowHalfOpen: true });
    const [far] = (await once(server, 'connection')) as [Socket];
    return { near, far, close: () => server.close() };
  }
  it('end where they end: the bytes after them stay in the stream', async () => {
    const { near, far, close } = await pair();
    near.write('{"a":');
    near.end('1}\nSSH-2.0\n\x00rest');
    expect(await readLine(far)).toBe('{"a":1}');
    expect(await text(far)).toBe('SSH-2.0\n\x00rest');
    near.destroy();
    far.destroy();
    close();
  });
  it('that never end are an error', async () => {
    const { near, far, close } = await pair();
    near.end('half a line');
    await expect(readLine(far)).rejects.toThrow('closed');
    near.destroy();
    far.destroy();
    close();
  });
});
