import { describe, expect, test } from 'vitest';
import { inventory, problemsIn } from './files.ts';

/** What YAML makes of text that looks harmless, and what lvsctl says of it: one problem, at its place. */

const service = (said: string) =>
  inventory({ service: `mode: dr\n    vip: 10.0.0.100\n    directors: [d]\n    real_servers: { r: {} }\n    ${said}` });
const host = (said: string) => inventory({ hosts: `  h: ${said}` });
const pair = (said: string) =>
  `${inventory()}vrrp: { edge: { nodes: { d: { priority: 9 }, r: {} }, ${said}, instances: { o: { virtual_router_id: 5, interface: eth0, addresses: [10.0.0.9/24] } } } }\n`;

describe('YAML that means something else than it looks', () => {
  test.each<[string, string, string]>([
    [
      'no',
      pair('preempt: no'),
      'INV-WRONG-TYPE “preempt” must be true or false; this is the text “no” → In YAML 1.2 no is text: write false.',
    ],
    ['Yes', pair('preempt: Yes'), 'In YAML 1.2 Yes is text: write true.'],
    ['off', pair('unicast: off'), 'In YAML 1.2 off is text: write false.'],
    [
      'a leading zero',
      service('port: 0123'),
      'INV-LEADING-ZERO “0123” is the number 123 in YAML 1.2, and 83 in YAML 1.1 → Leave the leading zero out',
    ],
    ['one that is no octal', service('port: 089'), '“089” is the number 89 in YAML 1.2, and text in YAML 1.1'],
    [
      'a name with a leading zero',
      host('{}').replace('  h:', '  007:'),
      '6:3 INV-LEADING-ZERO “007” is the number 7 in YAML 1.2, and 7 in YAML 1.1 → Put the name in quotes.',
    ],
    [
      'a mode without quotes',
      host('{ files: { /etc/motd: { content: x, mode: 0644 } } }'),
      'INV-WRONG-TYPE “mode” must be text; this is 644 → Octal, in quotes; 0644 when left out. Put the value in quotes.',
    ],
    [
      'sixties',
      service('port: 1:20'),
      'INV-WRONG-TYPE “port” must be a whole number; this is the text “1:20” → YAML 1.1 counts 1:20 in sixties; write 80, if that is meant.',
    ],
    ['sixties for a time', pair('advert_interval: 1:20'), '“1:20” can’t stand in “advert_interval”'],
    [
      'a colon at the end of an address',
      service('port: 80').replace('vip: 10.0.0.100', 'vip: 2001:db8::'),
      '10:10 INV-NOT-YAML',
    ],
    [
      'that is told',
      service('port: 80').replace('vip: 10.0.0.100', 'vip: 2001:db8::'),
      '→ Put the IPv6 address in quotes: the colon at its end makes it a key.',
    ],
    [
      'in a list',
      host('{ interfaces: { e: { addresses: [10.1.0.1/24], gateway: [fe80::, 10.1.0.2] } } }'),
      'INV-WRONG-TYPE each of “gateway” must be text; this is a map → Put the IPv6 address in quotes',
    ],
    ['a tab', `${inventory()}vips:\n\tx: {}\n`, '→ Use spaces: YAML takes no tabs for indentation.'],
    [
      'a key twice',
      service('port: 80\n    port: 81'),
      '14:5 INV-DUPLICATE-KEY “port” stands here a second time; the first is in line 13',
    ],
    [
      'a key twice in a flow map',
      host('{ vars: { a: 1, a: 2 } }'),
      'INV-DUPLICATE-KEY “a” stands here a second time; the first is in line 6',
    ],
    [
      'a merge key',
      host('{ vars: { a: 1 }, <<: { dns: [10.0.0.1] } }'),
      'INV-UNKNOWN-KEY “<<” is not a key of hosts.h → YAML 1.2 has no merge keys: say what is shared in defaults or groups.',
    ],
    [
      'a template without quotes',
      inventory({ tail: 'web_servers: { p: { software: nginx, hosts: [r], port: 80, index: {{ host.name }} } }' }),
      'INV-NOT-YAML a list or a map stands where a key belongs',
    ],
    [
      'a value that begins with @',
      service('port: @80'),
      '→ Put the value in quotes: @ has a meaning of its own in YAML.',
    ],
    ['an empty name', inventory({ hosts: '  ~: {}' }), 'INV-NOT-YAML “~” is no name in YAML: it means nothing'],
    [
      'an address in short',
      service('port: 80').replace('10.0.0.100', '10.10'),
      'INV-WRONG-TYPE “vip” must be text; this is 10.1',
    ],
  ])('%s', (_name, text, expected) => {
    const problems = problemsIn(text);
    expect(problems, problems.join('\n')).toHaveLength(1);
    expect(problems[0]).toContain(expected);
  });

  test.each<[string, string]>([
    [
      'IPv6 without quotes',
      service('port: 80')
        .replace('10.0.0.100', '2001:db8::9')
        .replace('addresses: [10.0.0.2/24]', 'addresses: [10.0.0.2/24, 2001:db8::2/64]')
        .replace('addresses: [10.0.0.3/24]', 'addresses: [10.0.0.3/24, 2001:db8::3/64]'),
    ],
    ['a mark in hexadecimal', service('ports: [80, 81]\n    fwmark: 0x10')],
    ['a host called no', host('{ interfaces: { e: { addresses: [10.0.0.7/24] } } }').replace('  h:', '  no:')],
    ['0 itself, and fractions', `${inventory()}ipvs: { timeouts: { tcp: 900.0 } }\n`],
  ])('and what is well: %s', (_name, text) => {
    expect(problemsIn(text)).toEqual([]);
  });

  test('all of it at once, with what else is wrong', () => {
    const problems = problemsIn(service('port: 080\n    scheduler: wr').replace('[d]', '[dd]'));
    expect(problems.map((one) => one.split(' ')[1]).toSorted()).toEqual([
      'INV-BAD-VALUE',
      'INV-LEADING-ZERO',
      'INV-UNKNOWN-NAME',
    ]);
  });
});
