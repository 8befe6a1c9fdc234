import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { differingInstances, withoutWeight, withParting } from '../../src/resources/keepalived-conf.ts';

const GOLDEN = new URL(
  '../inventories/golden/dr-keepalived/lvs1/files/etc/keepalived/keepalived.conf',
  import.meta.url,
);
const TEXT = readFileSync(GOLDEN, 'utf8');
const WEB1 = '192.168.148.132:80';

/** Lines that one text has and the other hasn't. */
function changed(from: string, to: string): { gone: string[]; come: string[] } {
  const only = (one: string, other: string) => one.split('\n').filter((line) => !other.split('\n').includes(line));
  return { gone: only(from, to), come: only(to, from) };
}

/** keepalived.conf with services of these lines. */
function services(...blocks: string[]): string {
  return blocks.map((block) => `virtual_server ${block}\n}\n`).join('');
}

describe('keepalived.conf without the weight of a real server', () => {
  test('one line of its own block is another', () => {
    const text = withoutWeight(TEXT, (place) => place === WEB1) ?? '';
    expect(text.split('\n').length).toBe(TEXT.split('\n').length);
    expect(changed(TEXT, text)).toEqual({ gone: [], come: ['        weight 0'] });
    const block = text.slice(text.indexOf('real_server 192.168.148.132'), text.indexOf('real_server 192.168.148.133'));
    expect(block).toContain('weight 0');
    expect(text.slice(text.indexOf('real_server 192.168.148.133'))).not.toContain('weight 0');
  });

  test.each<[string, string, string]>([
    [
      'a weight that is left out',
      '10.0.0.1 80 {\n real_server 10.0.0.2 80 {\n }',
      ' real_server 10.0.0.2 80 {\n     weight 0\n }',
    ],
    ['a comment behind it', '10.0.0.1 80 {\n real_server 10.0.0.2 80 { # web\n  weight 3 ! three\n }', '  weight 0'],
    ['a mark, without ports', 'fwmark 7 {\n real_server 10.0.0.2 {\n  weight 3\n }', '  weight 0'],
    ['IPv6', '2001:db8::1 80 {\n real_server 2001:db8::2 80 {\n  weight 3\n }', '  weight 0'],
    [
      'a weight of a check',
      '10.0.0.1 80 {\n real_server 10.0.0.2 80 {\n  weight 3\n  PING_CHECK {\n   weight 9\n  }\n }',
      '  weight 0\n  PING_CHECK {\n   weight 9',
    ],
  ])('%s', (_, block, expected) => {
    const meant = ['10.0.0.2:80', '10.0.0.2:0', '[2001:db8::2]:80'];
    expect(withoutWeight(services(block), (place) => meant.includes(place))).toContain(expected);
  });

  test('in every service that has it', () => {
    const one = '{\n real_server 10.0.0.2 80 {\n  weight 3\n }';
    const text = withoutWeight(services(`10.0.0.1 80 ${one}`, `10.0.0.9 80 ${one}`), () => true) ?? '';
    expect(text.match(/weight 0/g)).toHaveLength(2);
  });

  test('undefined where it has none of them', () => {
    expect(withoutWeight(TEXT, (place) => place === '10.9.9.9:80')).toBeUndefined();
    expect(
      withoutWeight('virtual_server 10.0.0.1 80\n{\n real_server 10.0.0.2 80\n {\n }\n}\n', () => true),
    ).toBeUndefined();
  });
});

describe('a real server that parts', () => {
  const WITH = services(
    '10.0.0.1 80 {\n protocol TCP\n real_server 10.0.0.2 80 {\n  weight 3\n }\n real_server 10.0.0.3 80 {\n  weight 1\n  TCP_CHECK {\n  }\n }',
    '10.0.0.1 80 {\n protocol UDP\n real_server 10.0.0.3 80 {\n  weight 1\n }',
  );
  const WITHOUT = services(
    '10.0.0.1 80 {\n protocol TCP\n real_server 10.0.0.2 80 {\n  weight 5\n }',
    '10.0.0.1 80 {\n protocol UDP\n real_server 10.0.0.3 80 {\n  weight 1\n }',
  );

  test('stays in its service with weight 0 and its check, and as it is in another one', () => {
    const text = withParting(WITHOUT, WITH, (place) => place === '10.0.0.3:80');
    expect(changed(WITHOUT, text).come).toEqual(expect.arrayContaining(['  weight 0', '  TCP_CHECK {']));
    expect(text.match(/real_server 10\.0\.0\.3/g)).toHaveLength(2);
    expect(text).toContain(' real_server 10.0.0.3 80 {\n  weight 0\n  TCP_CHECK {\n  }\n }\n}\nvirtual_server');
    expect(text).toContain('protocol UDP\n real_server 10.0.0.3 80 {\n  weight 1\n');
  });

  test('nothing of a service that goes as a whole, or of servers that aren’t meant', () => {
    expect(withParting(services('10.0.0.7 80 {\n protocol TCP'), WITH, () => true)).not.toContain('real_server');
    expect(withParting(WITHOUT, WITH, () => false)).toBe(WITHOUT);
  });
});

describe('settings that nodes of a pair must share', () => {
  test.each<[string, string | RegExp, string, boolean]>([
    ['priority', 'priority 100', 'priority 90', false],
    [
      'an address beside the first',
      /(\n {4}virtual_ipaddress \{[^}]*\})/.source,
      '$1\n    virtual_ipaddress_excluded {\n        10.0.0.9/32 dev ens32\n    }',
      false,
    ],
    ['router id', 'virtual_router_id 51', 'virtual_router_id 52', true],
    ['password', /auth_pass .*/.source, 'auth_pass other', true],
    ['interval', 'advert_int 1', 'advert_int 2', true],
    ['version', 'version 2', 'version 3', true],
    ['the first address', '192.168.148.161/32 dev', '192.168.148.162/32 dev', true],
    ['unicast', 'unicast_peer {', 'other {', true],
    ['a real server', 'weight 1', 'weight 2', false],
  ])('%s', (_, from, to, different) => {
    const text = TEXT.replace(new RegExp(from), to);
    expect(text).not.toBe(TEXT);
    expect(differingInstances(TEXT, text)).toEqual(different ? ['edge_outside'] : []);
  });

  test('an instance that is new differs from nothing', () => {
    expect(differingInstances('', TEXT)).toEqual([]);
  });
});
