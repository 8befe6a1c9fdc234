import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { execute } from '../../src/host/client.ts';
import { makeSandbox, type Sandbox } from '../apply/sandbox.ts';

/** What an apply wrote is on the host's own disks; a server of files that is gone must not hold it up. */

let sandbox: Sandbox;
beforeEach(() => {
  sandbox = makeSandbox(['h1']);
});
afterEach(() => sandbox.end());

const calls = () => readFileSync(join(sandbox.folder, 'calls'), 'utf8').trim().split('\n');

function stub(rest: string): void {
  sandbox.put('', 'bin/sync', `#!/bin/sh\necho "sync $*" >>${join(sandbox.folder, 'calls')}\n${rest}\n`, 0o755);
}

const WRITTEN = { name: 'file_link', args: ['/etc/one', '/etc/two'] };

const MOUNTS = `proc /proc proc rw 0 0
/dev/vda1 / ext4 rw 0 0
files:/export /mnt nfs4 rw,hard 0 0
/dev/sdb1 /usb fuseblk rw 0 0
tmpfs /run tmpfs rw 0 0
overlay /layers overlay rw 0 0
pool/data /data zfs rw 0 0
/dev/vdb1 /with\\040space xfs rw 0 0
`;

test('file systems of other machines are not asked', async () => {
  sandbox.put('h1', 'proc/mounts', MOUNTS);
  stub('exit 0');
  await execute(sandbox.connect('h1'), [WRITTEN]);
  expect(calls()).toEqual(['sync -f / /layers /data']);
});

test.each([
  ['a sync that knows no -f', MOUNTS, ['sync -f / /layers /data', 'sync ']],
  ['no disk that is known', 'lab / hostfs rw 0 0\n', ['sync ']],
])('%s: everything', async (_, mounts, expected) => {
  sandbox.put('h1', 'proc/mounts', mounts);
  stub('[ "$1" != -f ]');
  await execute(sandbox.connect('h1'), [WRITTEN]);
  expect(calls().map((line) => line.trimEnd())).toEqual(expected.map((line) => line.trimEnd()));
});
