import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import pLimit from 'p-limit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { importFiles } from '../../src/import/index.ts';
import { loadCluster } from '../../src/inventory/index.ts';
import { desire } from '../../src/roles/index.ts';
import { facts } from '../inventories/facts.ts';
import { startLab, type TestLab } from '../lab/harness.ts';
import { host, nic } from '../lab/hosts.ts';

/**
 * Configurations that nobody here wrote, keepalived's own samples: what a keepalived makes of the original on a real
 * kernel, and what it makes of the keepalived.conf that lvsctl writes for the imported inventory.
 */

const MINUTES = 60_000;
const THEIRS = '/usr/share/doc/keepalived/samples/';
const SCRIPT = readFileSync(new URL('keepalived.sh', import.meta.url), 'utf8');

/** What is not the same, and the words in which the import said so. */
const KNOWN: Record<string, { differ: readonly string[]; said: string }> = {
  conditional_conf: {
    differ: [
      '- vrrp VRRP Version 3, State BACKUP, Interface vrrp.1, vmac on eth0, Virtual Router ID 1, Priority 100, Advert interval 12000 milli-sec',
      '+ vrrp VRRP Version 3, State BACKUP, Interface eth0, Virtual Router ID 1, Priority 100, Advert interval 12000 milli-sec',
    ],
    said: '“use_vmac” of vrrp_instance VI_0 is not in the inventory',
  },
  fwmark: {
    differ: [
      '- ipvs -A -f 1 -s rr -p 900',
      '- ipvs -a -f 1 -r 192.168.201.100:0 -m -w 1',
      '- ipvs -a -f 1 -r 192.168.201.101:0 -m -w 1',
    ],
    said: 'fwmark 1: which addresses and ports it stands for is not in the file',
  },
  // What they describe can't be: addresses of VIPs and of real servers too, and a sync daemon with nobody to talk to.
  virtual_server_group: {
    differ: ['INV-DUPLICATE-ADDRESS 192.168.200.1 is a VIP (line 51): lvsctl puts it where it belongs'],
    said: 'INV-DUPLICATE-ADDRESS 192.168.200.1 is a VIP (line 51): lvsctl puts it where it belongs',
  },
  'vrrp.lvs_syncd': {
    differ: [
      'INV-SYNC-WITHOUT-PAIR connections are synchronised between directors of a VRRP group, and there is none with two nodes',
    ],
    said: 'VI_1 has one node here',
  },
  // The host's own addresses: interfaces of the inventory have these.
  'vrrp.static_ipaddress': {
    differ: ['- holds 192.168.200.16/32', '- holds 192.168.200.17/32', '- holds 192.168.200.18/32'],
    said: '“static_ipaddress” of the file is not in the inventory',
  },
};

let folder: string;
let lab: TestLab;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'lvsctl-import-'));
  lab = await startLab([host('box', [nic('eth9', 'wire', ['10.255.255.2/24'])])]);
  await lab.on(
    'box',
    `export DEBIAN_FRONTEND=noninteractive; apt-get -qq update
    apt-get install -q -y ipvsadm keepalived >/tmp/apt 2>&1 || { cat /tmp/apt; exit 1; }
    systemctl stop keepalived ipvsadm; modprobe ip_vs && modprobe veth && mkdir /root/k && cat >/root/k/run.sh <<'END'
${SCRIPT}
END`,
  );
}, 15 * MINUTES);
afterAll(async () => {
  await lab?.down();
  rmSync(folder, { recursive: true, force: true });
}, 2 * MINUTES);

/** What lvsctl writes for the imported file; and what the import said that it leaves out, or that has to be mended. */
function rewritten(path: string): { conf: string; rules: string; gaps: string[]; mistakes: string[] } {
  const target = join(folder, 'imported.yaml');
  const { text, gaps, mistakes } = importFiles([`lvs1=${path}`], { name: 'c', target });
  const said = { gaps: gaps.map(({ what }) => what), mistakes: mistakes.map(({ code, what }) => `${code} ${what}`) };
  if (mistakes.length > 0) return { conf: '', rules: '', ...said };
  writeFileSync(target, text);
  const wanted = desire(loadCluster([target]), 'lvs1', facts());
  const content = (end: RegExp) => {
    const file = wanted.find(({ resource }) => resource.kind === 'file' && end.test(resource.path))?.resource;
    return file?.kind === 'file' && file.state === 'present' ? file.content : '';
  };
  return { conf: content(/\/keepalived\.conf$/u), rules: content(/\/ipvsadm\.rules$/u), ...said };
}

/** What a keepalived made of a file, as lines that can be compared. */
async function made(name: string, conf: string, rules: string, devices: string): Promise<string[]> {
  const file = `/root/k/${name}.conf`;
  const done = await lab.on(
    'box',
    `cat >${file} <<'END'\n${conf}\nEND\ncat >${file}.rules <<'END'\n${rules}\nEND\nunshare -mn sh /root/k/run.sh ${file} '${devices}'`,
  );
  const parts = Object.fromEntries(
    done
      .split(/^@ /m)
      .slice(1)
      .map((part) => [part.slice(0, part.indexOf('\n')), part.slice(part.indexOf('\n') + 1).trim()]),
  );
  const lines = (part: string) => (parts[part] ?? '').split('\n').filter((line) => line !== '');
  return [
    ...lines('table').map((line) => `ipvs ${line}`),
    ...lines('addresses').map((line) => `holds ${line}`),
    ...instances(lines('data')),
  ];
}

const TOLD = /^ {3}(VRRP Version|State|Interface|Virtual Router ID|Priority|Advert interval) = (.*)$/u;

/** keepalived's own record of its VRRP instances, without their names. */
function instances(data: readonly string[]): string[] {
  const [, topology = ''] = data.join('\n').split(/^-+< VRRP Topology >-+$/m);
  const each = topology
    .replace(/^-+<[\s\S]*/m, '')
    .split(/^ VRRP Instance = /m)
    .slice(1);
  return each.map((text) => {
    const words = text.split('\n').flatMap((line) => {
      const [, key, value] = TOLD.exec(line) ?? [];
      return key === undefined ? [] : [`${key} ${value}`];
    });
    return `vrrp ${words.join(', ')}`;
  });
}

async function compare(path: string) {
  const name = basename(path).replace('keepalived.conf.', '');
  const { conf, rules, gaps, mistakes } = rewritten(path);
  const original = readFileSync(path, 'utf8');
  const devices = [...new Set(original.match(/\beth\d(\.\d+)?\b/g))].toSorted().join(' ') || 'eth0';
  const was = await made(`${name}-old`, original, '', devices);
  const is = mistakes.length > 0 ? was : await made(`${name}-new`, conf, rules, devices);
  const count = (word: string) => was.filter((line) => line.startsWith(word)).length;
  return {
    name,
    had: `${count('ipvs')} rules, ${count('vrrp')} instances, ${count('holds')} addresses`,
    said: [...gaps, ...mistakes],
    differ: [
      ...mistakes,
      ...was.filter((line) => !is.includes(line)).map((line) => `- ${line}`),
      ...is.filter((line) => !was.includes(line)).map((line) => `+ ${line}`),
    ],
  };
}

test('a keepalived makes the same of what was imported', { timeout: 40 * MINUTES }, async () => {
  const samples = [
    ...readdirSync(THEIRS)
      .filter((name) => name.startsWith('keepalived.conf'))
      .map((name) => join(THEIRS, name)),
  ];
  const limit = pLimit(8);
  const compared = await Promise.all(samples.map((path) => limit(() => compare(path))));
  const rows = compared.flatMap(({ name, had, said, differ }) => [
    `${name.padEnd(22)} ${had.padEnd(36)} ${String(said.length).padStart(2)} told  ${differ.length === 0 ? 'equal' : 'differs'}`,
    ...differ.map((line) => `    ${line}`),
  ]);
  console.log(rows.join('\n'));
  const found = compared.flatMap(({ name, differ }) => (differ.length === 0 ? [] : [[name, differ]]));
  const known = Object.entries(KNOWN).map(([name, { differ }]) => [name, differ]);
  expect(Object.fromEntries(found)).toEqual(Object.fromEntries(known));
  for (const { name, said } of compared) if (KNOWN[name]) expect(said, name).toContain(KNOWN[name]?.said);
});
