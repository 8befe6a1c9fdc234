import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { execute } from '../../src/host/client.ts';
import { localShell, SHELLS } from './local-shell.ts';

/** Waiting for the end of what is served, with an ipvsadm that says what a case asks for, and for real ports to answer. */

let root = '';
const servers: Server[] = [];

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'lvsctl-drain-'));
  put('/proc/none', '');
  symlinkSync('/proc/uptime', join(root, 'proc/uptime'));
  put('/bin/sync', '#!/bin/sh\n', 0o755);
  put('/bin/ip', "#!/bin/sh\necho '2: e0    inet 10.0.0.100/32 scope global e0'\n", 0o755);
});

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve))));
  rmSync(root, { recursive: true, force: true });
});

function put(path: string, content: string, mode = 0o644): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), content);
  chmodSync(join(root, path), mode);
}

/** Active connections that each look at the table finds, the last number from then on; -f 7 has another server. */
function connections(...active: number[]): void {
  put('/active', `${active.join('\n')}\n`);
  const looks = `f=${root}/active; n=$(sed -n 1p $f); [ "$(wc -l <$f)" -lt 2 ] || sed -i 1d $f`;
  const row = "printf '  -> %s  Route  0  %s  7\\n'";
  put('/bin/ipvsadm', `#!/bin/sh\n${looks}\n${row} 10.0.0.2:80 5\n${row} 10.0.0.21:80 $n\n`, 0o755);
}

/** The weights of some real servers, as ipvsadm has them. */
function weights(of: Record<string, number>): void {
  const head = 'TCP  10.0.0.100:80 wrr\n  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn';
  const rows = Object.entries(of).map(([place, weight]) => `  -> ${place}    Route   ${weight}      3          7`);
  put('/weights', `${[head, ...rows].join('\n')}\n`);
  put('/bin/ipvsadm', `#!/bin/sh\ncat ${root}/weights\n`, 0o755);
}

/** A port that somebody answers at; on that very number where it is told. */
async function listening(port = 0): Promise<number> {
  const server = createServer((socket) => socket.end());
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

describe.each(Object.keys(SHELLS))('under %s', (shell) => {
  const done = async (name: string, ...args: string[]) => {
    const [result] = await execute(
      localShell({
        shell: SHELLS[shell] ?? [],
        env: { LVSCTL_ROOT: root, PATH: `${join(root, 'bin')}:${process.env.PATH}` },
      }),
      [{ name, args }],
    );
    return result;
  };
  const entry = '10.0.0.100 10.0.0.21:80 -t 10.0.0.100:80';

  test('a drain ends with the last active connection', async () => {
    connections(2, 1, 0);
    expect(await done('ipvs_drained', '60', entry)).toMatchObject({ status: 'done', output: '' });
    expect(readFileSync(join(root, 'active'), 'utf8')).toBe('0\n');
  });

  test('when the time is over it says who is still served, and is done all the same', async () => {
    connections(3);
    expect(await done('ipvs_drained', '0', entry, '* 10.0.0.21:80 -f 7')).toMatchObject({
      status: 'done',
      output:
        'left: after 0 s there were still connections being served: 10.0.0.21:80 -t 10.0.0.100:80, 10.0.0.21:80 -f 7',
    });
  });

  test('a director without the VIP waits for nobody', async () => {
    connections(3);
    expect(await done('ipvs_drained', '60', entry.replace('10.0.0.100', '10.0.0.10'))).toMatchObject({ output: '' });
  });

  test.each<[string, Record<string, number>, string]>([
    ['another one gets requests', { '10.0.0.21:80': 1, '10.0.0.22:80': 2 }, 'done'],
    ['nobody else does', { '10.0.0.21:80': 1, '10.0.0.22:80': 0 }, 'failed'],
    ['nobody else is there', { '10.0.0.21:80': 1 }, 'failed'],
    ['only its own other port does', { '10.0.0.21:80': 1, '10.0.0.21:81': 1 }, 'failed'],
    ['it gets none itself', { '10.0.0.21:80': 0, '10.0.0.22:80': 0 }, 'done'],
    ['checks have taken it out', { '10.0.0.22:80': 0 }, 'done'],
  ])('where %s', async (_, of, status) => {
    weights(of);
    const result = await done('ipvs_others', entry, '10.0.0.100 10.0.0.21:81 -t 10.0.0.100:80');
    expect(result?.status).toBe(status);
    if (status === 'failed') expect(result?.output).toContain('no other real server gets requests now');
  });

  test('what got requests before is to get them again', async () => {
    weights({ '10.0.0.21:80': 1, '10.0.0.22:80': 2 });
    await done('ipvs_others', entry);
    expect(await done('ipvs_again', '0')).toMatchObject({ status: 'done', output: '' });
    await done('ipvs_others', entry);
    weights({ '10.0.0.22:80': 2 });
    expect(await done('ipvs_again', '1')).toMatchObject({
      status: 'failed',
      output: "keepalived's check gives it no requests again: 10.0.0.21:80 -t 10.0.0.100:80",
    });
    const again = done('ipvs_again', '60');
    weights({ '10.0.0.21:80': 1, '10.0.0.22:80': 2 });
    expect(await again).toMatchObject({ status: 'done' });
    // What got none before is waited for by nobody.
    weights({ '10.0.0.22:80': 2 });
    await done('ipvs_others', entry);
    expect(await done('ipvs_again', '0')).toMatchObject({ status: 'done' });
  });

  test('what answered before is to answer again', async () => {
    const port = await listening();
    const closed = await listening();
    servers.splice(1).map((server) => server.close());
    await done('ipvs_answering', `127.0.0.1 ${port}`, `127.0.0.1 ${closed}`);
    expect(readFileSync(join(root, 'run/lvsctl/answering'), 'utf8')).toBe(`127.0.0.1 ${port}\n`);
    expect(await done('ipvs_answers', '0')).toMatchObject({ status: 'done', output: '' });
    await done('ipvs_answering', `127.0.0.1 ${port}`);
    await new Promise((resolve) => servers.pop()?.close(resolve));
    expect(await done('ipvs_answers', '1')).toMatchObject({
      status: 'failed',
      output: `127.0.0.1 doesn't answer at port ${port}`,
    });
    const answering = done('ipvs_answers', '60');
    await listening(port);
    expect(await answering).toMatchObject({ status: 'done' });
  });
});
