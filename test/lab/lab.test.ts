import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { labDown, labFind, labUp } from '../../src/lab/index.ts';
import { commandLine, networksOf, startLab, type TestLab } from './harness.ts';
import { cluster, host, nic } from './hosts.ts';

/** Two real kernels on one wire: `a` is managed, `b` isn't. */
let test: TestLab;
const A = host('a', [nic('ens3', 'wire', ['10.7.0.1/24']), nic('ens4', 'other', [])]);
const B = host('b', [nic('eth7', 'wire', ['10.7.0.2/24', '10.7.0.3/24'], { gateways: { v4: '10.7.0.1' } })], false);

beforeAll(async () => {
  test = await startLab([A, B]);
}, 900_000);

afterAll(async () => {
  await test?.down();
}, 120_000);

const LIMIT = 180_000;
const PING = 'ping -q -c 1 -W 2';

async function states(): Promise<Record<string, string>> {
  return Object.fromEntries((await test.lab.status()).map((each) => [each.name, each.state]));
}

async function until(what: () => Promise<boolean>): Promise<void> {
  while (!(await what())) await sleep(200);
}

describe('a lab', { timeout: LIMIT }, () => {
  it('has the inventory’s interfaces, addresses and gateways', async () => {
    expect(await test.on('a', 'ip -4 -br address show dev ens3')).toMatch(/10\.7\.0\.1\/24 *$/m);
    expect(await test.on('a', 'ls /sys/class/net')).toBe('ens3\nens4\nlab0\nlo\n');
    expect(await test.on('b', 'ip -4 -br address show dev eth7')).toMatch(/10\.7\.0\.2\/24 10\.7\.0\.3\/24/);
    expect(await test.on('b', 'ip route show default')).toMatch(/^default via 10\.7\.0\.1 dev eth7/);
    expect(await test.on('a', 'hostname; cat /etc/hostname')).toBe('a\na\n');
    expect(await test.on('b', `${PING} 10.7.0.1`)).toContain('1 received');
  });

  it('has NetworkManager running the addresses, and hands off the management link', async () => {
    expect(await test.on('a', 'nmcli -t -f DEVICE,STATE device')).toMatch(/^ens3:connected$[\s\S]*^lab0:unmanaged$/m);
    expect((await test.lab.run('b', ['ping', '-q', '-c', '1', '-W', '1', '-I', 'lab0', '169.254.1.2'])).code).toBe(1);
  });

  it('keeps its wires out of this machine’s network', () => {
    const networks = networksOf(test.processes());
    expect(networks).toHaveLength(1);
    expect(networks).not.toEqual(networksOf(['self']));
  });

  it('holds none of what lvsctl installs, and can install it', async () => {
    expect(await test.on('a', 'command -v ipvsadm nginx keepalived || echo none')).toBe('none\n');
    await test.on('a', 'DEBIAN_FRONTEND=noninteractive apt-get install -q -y ipvsadm');
    await test.on('a', 'ipvsadm -A -t 10.7.0.9:80 -s wrr');
    expect(await test.on('a', 'ipvsadm -Sn')).toBe('-A -t 10.7.0.9:80 -s wrr\n');
  });

  it('passes on words, output and exit codes as they are', async () => {
    const words = ['printf', '%s|', "it's", '$HOME', 'a  b', 'ü', ''];
    expect(await test.lab.run('a', words)).toEqual({ code: 0, stdout: "it's|$HOME|a  b|ü||", stderr: '' });
    expect(await test.lab.run('a', ['sh', '-c', 'echo out; echo err >&2; exit 7'])).toEqual({
      code: 7,
      stdout: 'out\n',
      stderr: 'err\n',
    });
  });

  it('carries megabytes between hosts unharmed', async () => {
    await test.on('a', 'head -c 3000000 /dev/urandom > /tmp/data');
    await test.on('a', 'systemd-run -q --unit=serve systemd-socket-activate -l 9000 --inetd -a cat /tmp/data');
    const sent = (await test.on('a', 'sha256sum < /tmp/data')).trim();
    const got = await test.lab.run('b', [
      'bash',
      '-c',
      'until exec 3<>/dev/tcp/10.7.0.1/9000; do sleep 0.2; done 2>/dev/null; sha256sum <&3',
    ]);
    expect(got.stdout.trim()).toBe(sent);
    // A kernel that is sent more than a frame at once drops it and says so; TCP would only be slow.
    expect(await test.on('b', 'dmesg')).not.toContain('GSO');
  });

  it('takes megabytes from outside unharmed', async () => {
    const bytes = randomBytes(1_000_000);
    const out: Buffer[] = [];
    const streams = {
      stdin: Readable.from([bytes]),
      stdout: (chunk: Buffer) => out.push(chunk),
      stderr: () => undefined,
    };
    expect(await test.lab.runWith('b', ['sha256sum'], streams)).toBe(0);
    expect(Buffer.concat(out).toString()).toBe(`${createHash('sha256').update(bytes).digest('hex')}  -\n`);
    expect(await test.on('b', 'dmesg')).not.toContain('GSO');
  });

  it('gives streams to a host’s ports', async () => {
    const stream = await test.lab.openStream('a', 22);
    const [first] = (await new Promise((resolve) => stream.once('data', (...data) => resolve(data)))) as [Buffer];
    expect(first.toString()).toMatch(/^SSH-2\.0-OpenSSH/);
    stream.destroy();
    await expect(test.lab.openStream('a', 4444)).rejects.toThrow('LAB-REFUSED');
    await expect(test.lab.run('nobody', ['true'])).rejects.toThrow('LAB-UNKNOWN-HOST');
  });

  it('pulls and plugs cables, and can still be controlled meanwhile', async () => {
    await test.lab.link('a', 'cut', 'ens3');
    expect((await test.lab.run('b', ['sh', '-c', `${PING} 10.7.0.1`])).code).toBe(1);
    expect((await test.lab.status()).map((each) => each.cut)).toEqual([['ens3'], []]);
    await test.lab.link('a', 'restore', 'ens3');
    expect(await test.on('b', `${PING} 10.7.0.1`)).toContain('1 received');
    await expect(test.lab.link('a', 'cut', 'ens9')).rejects.toThrow('LAB-REFUSED');
  });

  it('is found while it runs, and says when the inventory no longer describes it', async () => {
    expect((await labFind(test.cluster))?.hosts).toEqual(['a', 'b']);
    expect((await labUp(test.cluster)).hosts).toEqual(['a', 'b']);
    const changed = cluster(test.cluster.file, [A, { ...B, interfaces: [nic('eth7', 'wire', ['10.7.0.4/24'])] }]);
    await expect(labUp(changed)).rejects.toThrow('LAB-CHANGED');
    expect(await labFind(cluster('/no/such/inventory', []))).toBeUndefined();
  });
});

describe('a power cut', { timeout: LIMIT }, () => {
  it('leaves what was applied and written out, and nothing else', async () => {
    const boot = await test.on('a', 'cat /proc/sys/kernel/random/boot_id');
    await test.on('a', 'ip address add 10.7.0.77/24 dev ens3; echo kept > /root/kept');
    await test.on(
      'a',
      `cat > /etc/NetworkManager/system-connections/ens3.nmconnection <<'X'
[connection]
id=ens3
uuid=2f9a6ec2-5a58-4b41-9a27-0a3cf2b3a001
type=ethernet
interface-name=ens3
[ipv4]
method=manual
address1=10.7.0.50/24
[ipv6]
method=disabled
X
chmod 600 /etc/NetworkManager/system-connections/ens3.nmconnection; sync`,
    );
    await test.lab.power('all', 'cycle');
    expect(await test.on('a', 'cat /proc/sys/kernel/random/boot_id')).not.toBe(boot);
    expect(await test.on('a', 'cat /root/kept')).toBe('kept\n');
    expect(await test.on('a', 'ip -4 -br address show dev ens3')).toMatch(/UNKNOWN +10\.7\.0\.50\/24 *$/m);
    expect(await test.on('b', 'ip -4 -br address show dev eth7')).toMatch(/10\.7\.0\.2\/24 10\.7\.0\.3\/24/);
    expect(await test.on('a', 'dmesg')).toContain('EXT4-fs (ubda): recovery complete');
  });

  it('turns one host off and on', async () => {
    await test.lab.power('b', 'off');
    expect(await states()).toEqual({ a: 'up', b: 'off' });
    await expect(test.lab.run('b', ['true'])).rejects.toThrow('b is without power');
    await test.lab.power('b', 'on');
    expect(await states()).toEqual({ a: 'up', b: 'up' });
  });

  it('isn’t needed for a reboot, which comes back with its network', async () => {
    const [before] = await test.lab.status();
    await test.on('a', 'systemctl --no-block reboot');
    await until(async () => (await test.lab.status())[0]?.boots !== before?.boots && (await states()).a === 'up');
    expect(await test.on('b', `${PING} 10.7.0.50`)).toContain('1 received');
  });
});

describe('the end of a lab', { timeout: LIMIT }, () => {
  it('comes with its supervisor’s, however that ends, and leaves no process and no mount', async () => {
    const supervisor = test.processes().find((pid) => commandLine(pid).startsWith(process.execPath));
    expect(supervisor).toBeDefined();
    if (supervisor !== undefined) process.kill(supervisor, 'SIGKILL');
    await until(async () => test.processes().length === 0);
    expect(readFileSync('/proc/self/mounts', 'utf8')).not.toContain('lvsctl-lab');
    expect(await labFind(test.cluster)).toBeUndefined();
    await expect(test.lab.status()).rejects.toThrow('LAB-GONE');
    expect(await labDown(test.cluster)).toBe(false);
  });
});
