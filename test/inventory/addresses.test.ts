import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cidrText, holds, networkOf, notAHost, parseAddress, parseCidr } from '../../src/inventory/addresses.ts';

describe('addresses', () => {
  test.each<[string, string | undefined]>([
    ['10.0.0.1', '10.0.0.1'],
    ['2001:DB8:0:0::1', '2001:db8::1'],
    ['::', '::'],
    ['10.1', undefined],
    ['0x0a.0.0.1', undefined],
    ['010.0.0.1', undefined],
    ['256.0.0.1', undefined],
    ['200.0.0.0.1', undefined],
    ['fe80::1%eth0', undefined],
    ['1::2::3', undefined],
    ['', undefined],
    ['host', undefined],
    [' 10.0.0.1', undefined],
  ])('%s', (text, expected) => {
    expect(parseAddress(text)?.address).toBe(expected);
  });

  test.each<[string, string | undefined]>([
    ['10.0.0.1/24', '10.0.0.1/24'],
    ['2001:DB8::0/0', '2001:db8::/0'],
    ['10.0.0.1/33', undefined],
    ['10.0.0.1/024', undefined],
    ['10.0.0.1/', undefined],
    ['10.0.0.1', undefined],
    ['2001:db8::1/129', undefined],
  ])('%s', (text, expected) => {
    const cidr = parseCidr(text);
    expect(cidr && cidrText(cidr)).toBe(expected);
  });

  test.each<[string, string | undefined]>([
    ['10.0.0.0/24', 'its network’s own address'],
    ['10.0.0.255/24', 'its network’s broadcast address'],
    ['10.0.1.255/23', 'its network’s broadcast address'],
    ['10.0.0.255/23', undefined],
    ['10.0.0.0/31', undefined],
    ['10.0.0.0/32', undefined],
    ['127.0.0.1/8', 'a loopback address'],
    ['0.0.0.0/0', 'the unspecified address'],
    ['224.0.0.18/24', 'a multicast address'],
    ['ff02::1/128', 'a multicast address'],
    ['2001:db8::/64', undefined],
  ])('%s as a host’s', (text, expected) => {
    const cidr = parseCidr(text);
    expect(cidr && notAHost(cidr)).toBe(expected);
  });
});

describe('networks', () => {
  const address = fc.oneof(fc.ipV4(), fc.ipV6());
  test('a network holds the address that it was made of, and is its own network', () => {
    fc.assert(
      fc.property(address, fc.nat(128), (text, length) => {
        const parsed = parseAddress(text);
        if (parsed === undefined) throw new Error(text);
        const cidr = { ...parsed, prefix: Math.min(length, parsed.family === 4 ? 32 : 128) };
        const network = networkOf(cidr);
        expect(holds(network, parsed)).toBe(true);
        expect(networkOf(network)).toEqual(network);
        expect(parseCidr(cidrText(network))).toEqual(network);
      }),
    );
  });
  test('and no other: the next network begins behind it', () => {
    const network = { address: '10.0.0.0', prefix: 24, family: 4 } as const;
    expect(holds(network, { address: '10.0.0.255', family: 4 })).toBe(true);
    expect(holds(network, { address: '10.0.1.0', family: 4 })).toBe(false);
    expect(holds({ address: '::', prefix: 0, family: 6 }, { address: '10.0.0.1', family: 4 })).toBe(false);
  });
});
