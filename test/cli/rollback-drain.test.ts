import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Sshd, startSshd } from '../transport/sshd.ts';
import { lvsctl } from './lvsctl.ts';

/**
 * A director and one of its real servers behind sshds of their own, each with a folder in place of `/`. A stand-in for
 * ipvsadm keeps the director's table, and notes what the real server's parameter is whenever a weight changes.
 */

const RP_FILTER = 'proc/sys/net/ipv4/conf/all/rp_filter';
const TABLE = `-A -u 10.0.0.100:53 -s rr
-a -u 10.0.0.100:53 -r 10.0.0.21:53 -m -w 1
-a -u 10.0.0.100:53 -r 10.0.0.22:53 -m -w 1
`;
const IPVSADM = `#!/bin/sh
case $1 in
  -Sn) cat "$LVSCTL_ROOT/table" ;;
  -e)
    sed -i "s/ -r $5 .*/ -r $5 $6 -w $8/" "$LVSCTL_ROOT/table"
    echo "weight $8 while rp_filter is $(cat "$LVSCTL_ROOT/../web1/${RP_FILTER}")" >>"$LVSCTL_ROOT/weights" ;;
esac
`;

let folder: string;
let sshds: { lvs1: Sshd; web1: Sshd };
const at = (host: string, path: string) => join(folder, host, path);
const read = (host: string, path: string) =>
  existsSync(at(host, path)) ? readFileSync(at(host, path), 'utf8').trim().split('\n') : [];

function put(host: string, path: string, content: string): void {
  mkdirSync(dirname(at(host, path)), { recursive: true });
  writeFileSync(at(host, path), content);
}

async function machine(host: string): Promise<Sshd> {
  put(host, 'etc/os-release', 'ID=debian\nVERSION_ID="12"\n');
  put(host, 'proc/uptime', '100.25 300.00\n');
  for (const name of ['osrelease', 'arch', 'hostname', 'random/boot_id']) put(host, `proc/sys/kernel/${name}`, 'x\n');
  put(host, RP_FILTER, '0\n');
  put(host, 'bin/ipvsadm', IPVSADM);
  chmodSync(at(host, 'bin/ipvsadm'), 0o755);
  const path = `${at(host, 'bin')}:${process.env.PATH}`;
  return startSshd({ config: [`SetEnv LVSCTL_ROOT=${join(folder, host)} PATH=${path}`] });
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'lvsctl-cli-rollback-drain-'));
  chmodSync(folder, 0o755);
  sshds = { lvs1: await machine('lvs1'), web1: await machine('web1') };
  put('lvs1', 'proc/net/ip_vs', '');
  put('lvs1', 'table', TABLE);
  const interfaces = (last: number) => ({ e0: { addresses: [`10.0.0.${last}/24`], gateway: '10.0.0.11' } });
  const ssh = ({ port, user, identityFile: identity_file, knownHosts: known_hosts }: Sshd) => {
    return { address: '127.0.0.1', port, user, identity_file, known_hosts };
  };
  const inventory = {
    version: 1,
    name: 'test',
    hosts: {
      lvs1: { ssh: ssh(sshds.lvs1), manage: ['ipvs'], interfaces: { e0: { addresses: ['10.0.0.11/24'] } } },
      web1: {
        ssh: ssh(sshds.web1),
        manage: ['sysctl'],
        interfaces: interfaces(21),
        sysctls: { 'net.ipv4.conf.all.rp_filter': 1 },
      },
      web2: { manage: 'none', interfaces: interfaces(22) },
    },
    services: {
      names: {
        ...{ mode: 'nat', vip: '10.0.0.100', protocol: 'udp', port: 53, scheduler: 'rr', directors: ['lvs1'] },
        real_servers: { web1: {}, web2: {} },
      },
    },
  };
  writeFileSync(join(folder, 'lvs.yaml'), JSON.stringify(inventory));
});
afterEach(async () => {
  await Promise.all(Object.values(sshds).map((sshd) => sshd.stop()));
  rmSync(folder, { recursive: true });
});

test('a rollback drains where it can, and says where it can’t', async () => {
  const run = (...args: string[]) => lvsctl([...args, '-i', 'lvs.yaml'], { cwd: folder });
  const ok = async (...args: string[]) => {
    const result = await run(...args);
    expect(result, `${result.out}\n${result.err}`).toMatchObject({ code: 0 });
    return result.out;
  };
  await ok('apply', '--yes', '--limit', 'web1');
  expect([read('web1', RP_FILTER), read('lvs1', 'weights')]).toEqual([['1'], []]);

  // The run changed nothing on the director, which is read and drains.
  const back = await ok('rollback', '--yes', '--drain-timeout', '5s');
  expect(back).toContain('drain web1: web1 gets no new requests of service names; wait until those it serves');
  expect(back).toContain('5 s at most');
  expect(back).toMatch(/lvs1 +as before\n/);
  const drained = ['weight 0 while rp_filter is 1', 'weight 1 while rp_filter is 0'];
  expect([read('web1', RP_FILTER), read('lvs1', 'weights')]).toEqual([['0'], drained]);
  expect(readFileSync(at('lvs1', 'table'), 'utf8')).toBe(TABLE);
  expect(existsSync(at('lvs1', 'var/lib/lvsctl/manifest.json'))).toBe(false);

  // A saved one, of that rollback: the director has its run too, in which nothing stayed.
  await ok('rollback', '--out', 'saved');
  expect(await lvsctl(['apply', 'saved'], { cwd: folder })).toMatchObject({ code: 0 });
  const again = ['weight 0 while rp_filter is 0', 'weight 1 while rp_filter is 1'];
  expect(read('lvs1', 'weights')).toEqual([...drained, ...again]);

  const quick = await ok('rollback', '--yes', '--no-drain');
  expect([read('web1', RP_FILTER), quick.includes('Warning')]).toEqual([['0'], false]);
  const unread = 'lvs1 was not read: it may go on sending requests there, which are lost while this changes';
  expect(await ok('rollback', '--yes', '--limit', 'web1')).toContain(unread);
  expect(read('web1', RP_FILTER)).toEqual(['1']);
  // A director that can't be reached is no host that the rollback was to change.
  await sshds.lvs1.stop();
  const alone = await ok('rollback', '--yes', '--skip-unreachable');
  expect(alone).toContain(unread);
  expect(alone).not.toContain('could not be read');
  expect([read('web1', RP_FILTER), read('lvs1', 'weights')]).toEqual([['0'], [...drained, ...again]]);
});
