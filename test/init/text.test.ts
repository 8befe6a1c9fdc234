import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type Answers, readHost, readMode, readPort, readVip } from '../../src/init/answers.ts';
import { inventoryText } from '../../src/init/text.ts';
import { loadClusters } from '../../src/inventory/index.ts';
import { lint } from '../../src/lint/index.ts';
import { folder } from '../inventory/files.ts';

const LAN: Answers = {
  name: 'shop',
  mode: 'dr',
  vip: '192.0.2.100',
  port: 80,
  interface: 'eth0',
  insideInterface: 'eth1',
  directors: [{ name: 'lvs1', address: '192.0.2.10/24', gateway: '192.0.2.1' }],
  realServers: [
    { name: 'web1', address: '192.0.2.11/24', gateway: '192.0.2.1' },
    { name: 'web2', address: '192.0.2.12/24', gateway: '192.0.2.1' },
  ],
};
const second = { name: 'lvs2', address: '192.0.2.20/24', gateway: '192.0.2.1' };
const pair = { directors: [...LAN.directors, second] };
const NAT: Partial<Answers> = {
  mode: 'nat',
  realServers: [
    { name: 'web1', address: '10.0.0.11/24' },
    { name: 'web2', address: '10.0.0.12/24' },
  ],
};
const inside = (list: Answers['directors']) => list.map((one, index) => ({ ...one, inside: `10.0.0.${index + 2}/24` }));
const SIX: Partial<Answers> = {
  vip: '2001:db8::100',
  directors: [{ name: 'lvs1', address: '2001:db8::10/64', gateway: '2001:db8::1' }],
  realServers: [{ name: 'web1', address: '2001:db8::11/64', gateway: '2001:db8::1' }],
};

describe('what init writes is valid, and no rule finds anything in it', () => {
  test.each<[string, Partial<Answers>]>([
    ['dr', {}],
    ['dr, a pair', pair],
    ['dr, IPv6', SIX],
    [
      'dr, IPv6, a pair',
      {
        ...SIX,
        directors: [...(SIX.directors ?? []), { name: 'lvs2', address: '2001:db8::20/64', gateway: '2001:db8::1' }],
      },
    ],
    ['dr, with a page', { checkPath: '/health?a=b#c' }],
    ['fullnat', { mode: 'fullnat' }],
    ['fullnat, a pair', { mode: 'fullnat', ...pair }],
    ['tun', { mode: 'tun', realServers: [{ name: 'web1', address: '198.51.100.11/24', gateway: '198.51.100.1' }] }],
    ['nat', { ...NAT, directors: inside(LAN.directors) }],
    ['nat, a pair', { ...NAT, directors: inside(pair.directors), insideVip: '10.0.0.1/24' }],
  ])('%s', (_name, more) => {
    const text = inventoryText({ ...LAN, ...more });
    const file = join(folder({}), 'lvs.yaml');
    writeFileSync(file, text);
    const loaded = loadClusters([file]);
    const found = lint(loaded).filter(({ severity }) => severity === 'error');
    expect(found).toEqual([]);
    expect(loaded[0]?.cluster.services[0]).toMatchObject({
      mode: more.mode ?? 'dr',
      vips: [{ address: more.vip ?? LAN.vip }],
    });
    expect(loaded[0]?.cluster.services[0]?.directors).toEqual(
      (more.directors ?? LAN.directors).map(({ name }) => name),
    );
    expect(text).toMatch(/^# /u);
  });
});

describe('an answer that can’t be read says what it should be', () => {
  test.each([
    ['web1', readHost],
    ['web1=192.0.2.11', readHost],
    ['web 1=192.0.2.11/24', readHost],
    ['web1=192.0.2.11/24,router', readHost],
    ['$(reboot)=192.0.2.11/24', readHost],
    ['router', readMode],
    ['0', readPort],
    ['65536', readPort],
    ['8e1', readPort],
    ['192.0.2.300', readVip],
    ['{{ x }}', readVip],
  ])('%s', (text, read) => {
    expect(read(text)).toEqual({ wrong: expect.stringMatching(/^\S.{10,}[^.]$/u) });
  });
});
