import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Imported, importFiles } from '../../src/import/index.ts';
import { loadCluster } from '../../src/inventory/index.ts';

const own = fileURLToPath(new URL('samples/', import.meta.url));
/** keepalived's own samples, where its package brings them; what is shown of them holds for ours too. */
const THEIRS = '/usr/share/doc/keepalived/samples/';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'lvsctl-samples-'));
  cpSync(own, folder, { recursive: true });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function imported(...args: string[]): Imported {
  return importFiles(args, { name: 'c', target: join(folder, 'c.yaml') });
}

/** `LINE what`, without the folder. */
function lost({ gaps }: Imported): string[] {
  return gaps.map(({ place, what }) => {
    if (place.kind !== 'file') return what;
    return `${basename(place.file)}:${place.line} ${what}`;
  });
}

function written({ text }: Imported) {
  const target = join(folder, 'loaded.yaml');
  writeFileSync(target, text);
  return loadCluster([target]);
}

describe('a pair in one file', () => {
  const args = () => [`lvs1=${folder}/pair.conf`, `lvs2=${folder}/pair.conf`];

  test('is taken apart by names, with definitions and included files', () => {
    const cluster = written(imported(...args()));
    expect(cluster.vrrp).toMatchObject([
      {
        name: 'WWW',
        nodes: [
          { host: 'lvs1', priority: 150 },
          { host: 'lvs2', priority: 100 },
        ],
        unicast: true,
        preempt: true,
        instances: [{ virtualRouterId: 10, addresses: [{ address: '192.0.2.100', prefix: 24 }] }],
      },
    ]);
    const http = cluster.services.find(({ ports }) => ports[0]?.first === 80);
    expect(http).toMatchObject({
      mode: 'dr',
      scheduler: 'wrr',
      directors: ['lvs1', 'lvs2'],
      healthCheck: {
        check: { type: 'http_get', path: '/a#b', status: [200, 201, 202] },
        interval: 5,
      },
    });
  });

  test('what has no place is named with its line, and told once', () => {
    const each = [
      'pair.conf:12 “notification_email” of global_defs is not in the inventory',
      'pair.conf:32 “label eth0:1” of 192.0.2.100/24 is not in the inventory',
      'pair.conf:33 “smtp_alert” of vrrp_instance WWW is not in the inventory',
      'mail.conf:3 “ops_of_nobody 3” of virtual_server 192.0.2.100 25 is not in the inventory',
    ];
    const found = lost(imported(...args()));
    expect(found).toEqual(each);
  });

  test('without names the lines of one host alone are told, and left out', () => {
    const found = lost(imported(`${folder}/pair.conf`)).filter((one) => one.includes('counts'));
    expect(found).toHaveLength(10);
    expect(found[0]).toContain('pair.conf:10 this line counts only on the host “lvs1”');
  });

  test('the password is not copied', () => {
    const { text } = imported(...args());
    expect(text).not.toContain('s3cret');
    expect(text).toContain('auth_pass: { env: LVS_VRRP_PASS }');
  });
});

test('the table as ipvsadm prints it', () => {
  const found = imported(`${folder}/table.txt`);
  expect(found.mistakes).toEqual([]);
  expect(lost(found)).toEqual([
    'table.txt:11 “what is this” is no line of ipvsadm -Sn',
    'table.txt:10 192.0.2.100 on all ports is not in the inventory',
    'table.txt:8 fwmark 7: which addresses and ports it stands for is not in the file',
    'table.txt:1 the files tell no address of director',
  ]);
  expect(written(found).services).toMatchObject([
    {
      mode: 'dr',
      scheduler: 'wrr',
      persistence: { timeout: 300, prefix4: 24 },
      virtuals: [{ realServers: [{ weight: 3 }, { weight: 1 }] }],
    },
    { mode: 'dr', protocol: 'udp', scheduler: 'sh', schedulerFlags: ['sh-port', 'sh-fallback'], onePacket: true },
    { mode: 'nat', vips: [{ address: '2001:db8::100', family: 6 }], virtuals: [{ realServers: [{ port: 8443 }] }] },
  ]);
  expect(found.text).toMatch(/^# {3}mark-7:$/mu);
});

test('an ldirectord.cf', () => {
  const found = imported(`${folder}/ldirectord.cf`);
  expect(found.mistakes).toEqual([]);
  expect(lost(found).map((one) => one.replace(/ (is|for) .*/u, ''))).toEqual([
    'ldirectord.cf:5 “autoreload”',
    'ldirectord.cf:6 “logfile”',
    'ldirectord.cf:18 “receive” of 192.0.2.100:80',
    'ldirectord.cf:11 the fallback 127.0.0.1:80',
    'ldirectord.cf:23 “emailalert” of virtual=192.0.2.100:3306',
    'ldirectord.cf:24 checktype negotiate',
    'ldirectord.cf:24 fwmark 3: which addresses and ports it stands',
    'ldirectord.cf:8 the files tell no address of director',
  ]);
  expect(written(found).services).toMatchObject([
    {
      mode: 'dr',
      persistence: { timeout: 600 },
      healthCheck: { check: { type: 'http_get', path: '/health', host: 'www.example.net' }, interval: 7, timeout: 4 },
      virtuals: [{ realServers: [{ weight: 5 }, { weight: 1 }] }],
    },
    { mode: 'nat', ports: [{ first: 3306 }], healthCheck: { check: { type: 'tcp_check' } } },
  ]);
});

test('a keyfile', () => {
  const found = imported(`lvs1=${folder}/eth0.nmconnection`);
  expect(lost(found)).toEqual(['eth0.nmconnection:9 “wake-on-lan” of [ethernet] is not in the inventory']);
  expect(written(found).hosts).toMatchObject([
    {
      name: 'lvs1',
      owns: ['network'],
      interfaces: [
        {
          name: 'eth0',
          addresses: [{ address: '192.0.2.11', prefix: 24 }],
          gateways: { v4: '192.0.2.1' },
          routes: [{ via: '192.0.2.254', metric: 100 }],
          dns: ['192.0.2.53'],
          mtu: 9000,
        },
      ],
    },
  ]);
});

test.each([
  ['hello\n', 'IMPORT-UNKNOWN-FILE'],
  ['', 'IMPORT-UNKNOWN-FILE'],
])('%j is refused', (text, code) => {
  const path = join(folder, 'strange');
  writeFileSync(path, text);
  expect(() => imported(path)).toThrow(code);
});

test('a keyfile of nobody among several hosts is refused', () => {
  const pair = `${folder}/pair.conf`;
  expect(() => imported(`lvs1=${pair}`, `lvs2=${pair}`, `${folder}/eth0.nmconnection`)).toThrow('IMPORT-WHOSE-FILE');
});

/** Every keepalived.conf at hand: ours, what lvsctl writes, and theirs where there are any. */
function samples(): string[] {
  const theirs = existsSync(THEIRS) ? readdirSync(THEIRS).filter((name) => name.startsWith('keepalived.conf')) : [];
  return [
    join(own, 'pair.conf'),
    fileURLToPath(new URL('../roles/keepalived/lvs1.conf', import.meta.url)),
    ...theirs.map((name) => join(THEIRS, name)),
  ];
}

const STRANGE = 'lvsctl_knows_no_such_word';

describe.each(samples().map((path) => [basename(path), path] as const))('%s', (_name, path) => {
  test('is imported, and words that nobody knows are named with their lines, wherever they stand', () => {
    const lines = readFileSync(path, 'utf8').split('\n');
    const copy = join(folder, 'strange.conf');
    writeFileSync(copy, lines.join('\n'));
    expect(imported(`lvs1=${copy}`).text).toContain('version: 1');
    // A line that goes on in the next one is no place for a word, nor is that between a keyword and its brace.
    const places = lines.flatMap((line, at) => (/\\$/u.test(line) || /^\s*\{/u.test(lines[at + 1] ?? '') ? [] : [at]));
    const strange = lines.flatMap((line, at) => (places.includes(at) ? [line, `${STRANGE}_${at}_`] : [line]));
    writeFileSync(copy, strange.join('\n'));
    const { gaps, text } = imported(`lvs1=${copy}`);
    const told = gaps.map(({ place, what }) => ({ line: place.kind === 'file' ? place.line : 0, what }));
    const silent = places.filter((at) => {
      const word = `${STRANGE}_${at}_`;
      const line = strange.indexOf(word);
      // Inside a block that is named itself, or as the name of something that can be called anything.
      const around = blockAround(strange, line);
      return (
        !told.some((one) => one.line === line + 1 && one.what.includes(word)) &&
        !told.some((one) => around.includes(one.line ?? 0)) &&
        !text.includes(word)
      );
    });
    expect(silent.map((at) => `${at + 1}: ${lines[at]}`)).toEqual([]);
  });
});

/** The lines (from 1) at which the blocks begin that a line stands in. */
function blockAround(lines: readonly string[], at: number): number[] {
  const open: number[] = [];
  for (const [index, raw] of lines.slice(0, at + 1).entries()) {
    const line = raw.replace(/[#!].*$/u, '').replace(/"[^"]*"/gu, '');
    for (const [brace] of line.matchAll(/[{}]/gu)) {
      if (brace === '{') open.push(index + 1);
      else open.pop();
    }
  }
  return open;
}
