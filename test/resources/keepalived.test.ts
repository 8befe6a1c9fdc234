import { describe, expect, test } from 'vitest';
import { diffOne, type KeepalivedResource, noticesOf } from '../../src/resources/index.ts';
import { type KeepalivedState, keepalivedKind, parseView, vrrpStates } from '../../src/resources/keepalived.ts';
import { DEBIAN } from './facts.ts';

/** Lines of what keepalived 2.2.7 wrote on a real kernel. */
const DUMP = ` VRRP Instance = edge_outside
   State = MASTER
 VRRP Instance = edge_inside
   State = FAULT
   State = idle
   State = UP, RUNNING, no broadcast, loopback, no multicast
   State = UP, RUNNING
 VS VIP = 192.168.148.161, VPORT = 80
   Address family = inet
   protocol = TCP
   alive = 1
   RIP = 192.168.148.132, RPORT = 80, WEIGHT = 3 EFF WEIGHT = 3
   alive = 0
   RIP = 192.168.148.133, RPORT = 80, WEIGHT = 1 EFF WEIGHT = 1
   alive = 1
 VS VIP = 2001:db8::161, VPORT = 53
   Address family = inet6
   protocol = UDP
   alive = 1
   RIP = 2001:db8::132, RPORT = 53, WEIGHT = 1 EFF WEIGHT = 1
   alive = 1
 VS FWMARK = 102953
   Address family = inet
   protocol = none
   alive = 1
   RIP = 192.168.148.132, RPORT = 0, WEIGHT = 1 EFF WEIGHT = 1
   alive = 1
 VS FWMARK = 102953
   Address family = inet6
   protocol = none
   alive = 1
   RIP = 2001:db8::132, RPORT = 0, WEIGHT = 1 EFF WEIGHT = 1
   alive = 0
   Has run = yes
`;

test('the dump', () => {
  expect(parseView(DUMP)).toEqual({
    vrrp: { edge_outside: 'MASTER', edge_inside: 'FAULT' },
    up: {
      '-t 192.168.148.161:80': ['192.168.148.133:80'],
      '-u [2001:db8::161]:53': ['[2001:db8::132]:53'],
      '-f 102953': ['192.168.148.132:0'],
      '-f 102953 -6': [],
    },
  });
});

const gate = (address: string, weight = 1) => {
  return { method: 'gate' as const, address, port: 80, weight, upper: 0, lower: 0 };
};
const [WEB1, WEB2] = [gate('192.168.148.132'), gate('192.168.148.133')];
const NAME = '-t 192.168.148.161:80';

const want: KeepalivedResource = {
  kind: 'keepalived',
  instances: [{ name: 'edge_outside', device: 'ens32', addresses: ['192.168.148.161/32', '192.168.148.162/32'] }],
  services: [
    {
      ...{ protocol: 'tcp', address: '192.168.148.161', port: 80, scheduler: 'wrr', flags: ['-p', '30'] },
      ...{ destinations: [WEB1, WEB2], inhibit: false, sorry: false },
    },
  ],
};

const up = ['192.168.148.132:80', '192.168.148.133:80'];
const whole = { scheduler: 'wrr', flags: ['-p', '30'], destinations: [WEB1, WEB2] };
const master: KeepalivedState = {
  running: true,
  answers: true,
  vrrp: { edge_outside: 'MASTER' },
  up: { [NAME]: up },
  table: { [NAME]: whole },
  addresses: { ens32: ['192.168.148.130/24', '192.168.148.161/32', '192.168.148.162/32'] },
};
const backup: KeepalivedState = {
  ...master,
  vrrp: { edge_outside: 'BACKUP' },
  addresses: { ens32: ['192.168.148.131/24'] },
};

const inhibiting: KeepalivedResource = {
  ...want,
  services: want.services.map((each) => ({ ...each, inhibit: true })),
};

describe('what is done', () => {
  test.each<[string, KeepalivedResource, KeepalivedState, string[]]>([
    ['master, as asked for', want, master, []],
    ['backup, as asked for', want, backup, []],
    ['not running: starting it is the unit’s matter', want, { ...master, running: false, answers: false, up: {} }, []],
    [
      'a server taken out by hand',
      want,
      { ...master, table: { [NAME]: { ...whole, destinations: [WEB1] } } },
      [`keepalived_repair -a ${NAME} -r 192.168.148.133:80 -g -w 1`],
    ],
    [
      'the whole service',
      want,
      { ...backup, table: {} },
      [
        `keepalived_repair -A ${NAME} -s wrr -p 30`,
        `keepalived_repair -a ${NAME} -r 192.168.148.132:80 -g -w 1`,
        `keepalived_repair -a ${NAME} -r 192.168.148.133:80 -g -w 1`,
      ],
    ],
    [
      'a server that failed is out',
      want,
      { ...master, up: { [NAME]: ['192.168.148.132:80'] }, table: { [NAME]: { ...whole, destinations: [WEB1] } } },
      [],
    ],
    [
      'a server that failed stays from an earlier owner of the table',
      want,
      { ...master, up: { [NAME]: ['192.168.148.132:80'] } },
      [`keepalived_repair -d ${NAME} -r 192.168.148.133:80`],
    ],
    [
      'a server that failed stays with weight 0, as asked for',
      inhibiting,
      {
        ...master,
        up: { [NAME]: ['192.168.148.132:80'] },
        table: { [NAME]: { ...whole, destinations: [WEB1, gate('192.168.148.133', 0)] } },
      },
      [],
    ],
    ['a service that keepalived doesn’t know yet', want, { ...master, up: {}, table: {} }, []],
  ])('%s', (_, resource, state, ops) => {
    const changes = diffOne(resource, state, DEBIAN);
    expect(changes.flatMap((change) => change.ops.map(({ name, args }) => [name, ...args].join(' ')))).toEqual(ops);
  });
});

describe('what the operator is told', () => {
  const mastering = { ...master, addresses: { ens32: ['192.168.148.130/24', '192.168.148.161/32'] } };
  const leftover = { ...backup, addresses: { ens32: ['192.168.148.131/24', '192.168.148.161/32'] } };
  const down = { ...master, up: { [NAME]: ['192.168.148.132:80'] } };
  const none = { ...master, up: { [NAME]: [] } };
  const sorry = { ...want, services: want.services.map((each) => ({ ...each, sorry: true })) };
  const both = '192.168.148.132:80, 192.168.148.133:80';
  test.each<[string, KeepalivedResource, KeepalivedState, string[]]>([
    ['master', want, master, []],
    ['backup', want, backup, []],
    ['silence', want, { ...master, answers: false }, ['keepalived runs and doesn’t say what it does']],
    ['a fault', want, { ...backup, vrrp: { edge_outside: 'FAULT' } }, [expect.stringContaining('in fault')]],
    ['master without an address', want, mastering, ['edge_outside is master without 192.168.148.162/32']],
    ['backup with one', want, leftover, [expect.stringContaining('ens32 has 192.168.148.161/32')]],
    ['a server down', want, down, [`${NAME}: keepalived counts 192.168.148.133:80 as down`]],
    ['all down', sorry, none, [`${NAME}: keepalived counts ${both} as down; the sorry server answers`]],
  ])('%s', (_, resource, state, words) => {
    expect(noticesOf(resource, state)).toEqual(words);
  });
});

describe('what observe_keepalived prints', () => {
  const parse = (text: string) =>
    keepalivedKind.parse({ text, facts: DEBIAN, files: new Map() }, [want]).get('keepalived');

  test('all of it', () => {
    const text = `@view\n${DUMP}\n@table\n-A ${NAME} -s wrr -p 30\n-a ${NAME} -r 192.168.148.132:80 -g -w 1\n@addresses
1: lo    inet 127.0.0.1/8 scope host lo\\       valid_lft forever preferred_lft forever
2: ens32    inet 192.168.148.130/24 brd 192.168.148.255 scope global ens32\\       valid_lft forever
2: ens32    inet 192.168.148.161/32 scope global ens32\\       valid_lft forever preferred_lft forever
`;
    expect(parse(text)).toMatchObject({
      running: true,
      answers: true,
      vrrp: { edge_outside: 'MASTER' },
      table: { [NAME]: { scheduler: 'wrr', flags: ['-p', '30'], destinations: [WEB1] } },
      addresses: { ens32: ['192.168.148.130/24', '192.168.148.161/32'] },
    });
  });

  test.each([
    ['@table\n@addresses\n', { running: false, answers: false }],
    ['@silent\n@table\n@addresses\n', { running: true, answers: false }],
  ])('%j', (text, state) => {
    expect(parse(text)).toMatchObject({ ...state, vrrp: {}, up: {}, table: {} });
  });
});

test('states of instances from an observed state, whatever it is', () => {
  expect(vrrpStates(master)).toEqual({ edge_outside: 'MASTER' });
  for (const none of [undefined, null, 'x', { vrrp: 3 }, { vrrp: { a: 'king' } }]) expect(vrrpStates(none)).toEqual({});
});
