/** Examples for the rules: what the host program answers, no more of it than the rule looks at. */

import type { Observed } from '../../observed/observed.ts';
import { parseObserved } from '../../observed/parse.ts';
import type { Facts } from '../../platform/facts.ts';

const HOST = '==== ';
const PART = '== ';

/** A host of an example: its parts by their words. */
export function host(name: string, parts: Readonly<Record<string, string>>): string {
  return [
    `${HOST}${name}\n`,
    ...Object.entries(parts).map(([words, text]) => `${PART}${words}\n${text.trimEnd()}\n`),
  ].join('');
}

const NOWHERE: Facts = {
  platform: 'debian',
  osId: '',
  osVersion: '',
  kernel: '',
  arch: '',
  bootId: '',
  hostname: '',
  systemd: true,
  devices: {},
  profiles: [],
};

/** The hosts of an example. Pure. */
export function hostsIn(example: string): Observed[] {
  return example
    .split(/^==== /m)
    .filter((text) => text !== '')
    .map((text) => {
      const [head = '', ...parts] = text.split(/^== /m);
      const told = parts.map((part) => {
        const end = part.indexOf('\n');
        return { words: part.slice(0, end).split(' '), text: part.slice(end + 1) };
      });
      const name = head.trim();
      const root = told.some(({ words }) => words[0] === 'user') ? [] : [{ words: ['user'], text: '0' }];
      return parseObserved(name, [...told, ...root], { ...NOWHERE, hostname: name });
    });
}

/** IPVS's table as `ipvsadm -Sn` and `-Ln` tell it. */
export function table(...lines: string[]): string {
  return [...lines, 'IP Virtual Server version 1.2.1 (size=4096)'].join('\n');
}

export const WEB = '-A -t 192.0.2.100:80 -s rr';
export const web = (words: string, service = '-t 192.0.2.100:80'): string => `-a ${service} -r ${words}`;

/** A unit as systemd shows it. */
export function unit(name: string, file: 'enabled' | 'disabled', active: 'active' | 'inactive' = 'active'): string {
  return `Id=${name}.service\nLoadState=loaded\nActiveState=${active}\nUnitFileState=${file}\n`;
}

/** Devices with their addresses; `tunl0` is a tunnel, `lo` the loopback, the others Ethernet. */
export function network(devices: Readonly<Record<string, string[]>>): { link: string; addr: string } {
  const names = Object.keys(devices);
  const layer = (name: string) => (name === 'lo' ? 'loopback' : name.startsWith('tunl') ? 'ipip' : 'ether');
  return {
    link: names
      .map((name, at) => `${at + 1}: ${name}: <UP,LOWER_UP> mtu 1500 state UP\\    link/${layer(name)}`)
      .join('\n'),
    addr: names
      .flatMap((name, at) =>
        (devices[name] ?? []).map(
          (own) => `${at + 1}: ${name}    ${own.includes(':') ? 'inet6' : 'inet'} ${own} scope global ${name}`,
        ),
      )
      .join('\n'),
  };
}

/** Parameters, e.g. `net/ipv4/ip_forward:1`. */
export function sysctls(...lines: string[]): string {
  return lines.map((line) => `./${line}`).join('\n');
}

/** A director with one rule, which it has saved. */
export function director(rule: string, more: Readonly<Record<string, string>> = {}): string {
  return host('lvs1', {
    ipvs: table(WEB, rule),
    'file /etc/sysconfig/ipvsadm': `${WEB}\n${rule}\n`,
    units: unit('ipvsadm', 'enabled'),
    ...network({ lo: ['127.0.0.1/8'], eth0: ['192.0.2.1/24', '192.0.2.100/24'] }),
    ...more,
  });
}
