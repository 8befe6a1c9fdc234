import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { LvsctlError, placeText } from '../../src/errors/index.ts';
import { loadOne } from '../../src/inventory/index.ts';
import { rehearse } from '../../src/roles/index.ts';
import { folder, inventory } from '../inventory/files.ts';

/** Each conflict as `LINE:COLUMN what`, with the other places that are shown. */
function conflictsIn(text: string, more: Record<string, string> = {}): string[] {
  const path = folder({ 'lvs.yaml': text, ...more });
  const { cluster, document } = loadOne([join(path, 'lvs.yaml')]);
  const short = (place: Parameters<typeof placeText>[0]) =>
    placeText(place)
      .replace(`${path}/`, '')
      .replace(/^lvs\.yaml:/u, '');
  try {
    rehearse(cluster, document);
  } catch (error) {
    if (!(error instanceof LvsctlError)) throw error;
    return error.problems.map(({ code, place, what, also = [] }) => {
      expect(code).toBe('ROLE-CONFLICT');
      const others = also.map((other) => `; ${short(other.place)} ${other.says}`).join('');
      return `${short(place)} ${what.replace(' is wanted in two different ways', '')}${others}`;
    });
  }
  return [];
}

const said = (of: string, text: string) => inventory().replace(`${of}: { `, `${of}: { ${text}, `);

describe('two wishes for one thing are told where the inventory says them', () => {
  test('a real server’s parameter', () => {
    expect(conflictsIn(said('r', 'sysctls: { net.ipv4.conf.all.arp_ignore: 0 }'))).toEqual([
      '5:19 sysctl net.ipv4.conf.all.arp_ignore (1 and 0) on r; 15:21 makes r a real server of web (dr)',
    ]);
  });

  test('all of them at once', () => {
    const text = said(
      'r',
      'sysctls: { net.ipv4.conf.all.arp_ignore: 0, net/ipv4/conf/lo/arp_announce: 0 }, files: { /etc/sysctl.d/99-zz-lvsctl.conf: { content: a } }',
    ).replace('d: { ', 'd: { units: { ipvsadm.service: { enabled: false } }, ');
    expect(conflictsIn(text)).toEqual([
      '4:17 service ipvsadm.service on d; 14:5 makes d a director of web (dr)',
      '5:19 sysctl net.ipv4.conf.all.arp_ignore (1 and 0) on r; 15:21 makes r a real server of web (dr)',
      '5:52 sysctl net/ipv4/conf/lo/arp_announce (2 and 0) on r; 15:21 makes r a real server of web (dr)',
      '5:97 file /etc/sysctl.d/99-zz-lvsctl.conf on r',
    ]);
  });

  test('both of the host’s own', () => {
    const text = said('d', 'sysctls: { net.ipv4.ip_forward: 1, net.ipv4.conf.all.forwarding: 0 }');
    expect(conflictsIn(text)).toEqual(['4:19 sysctl net.ipv4.conf.all.forwarding (1 and 0) on d; 4:43 the host’s own']);
  });

  test('in a group or the defaults: once for all its hosts', () => {
    const hosts = Array.from(
      { length: 5 },
      (_, n) => `  s${n}: { interfaces: { eth0: { addresses: [10.0.0.1${n}/24] } } }`,
    );
    const more = inventory({ hosts: hosts.join('\n') }).replace(
      'real_servers: { r: {} }',
      'real_servers: { many: {} }',
    );
    const group = 'groups: { many: { hosts: ["s[0-4]"], sysctls: { net.ipv4.conf.all.arp_ignore: 0 } } }\n';
    expect(conflictsIn(more + group)).toEqual([
      '21:49 sysctl net.ipv4.conf.all.arp_ignore (1 and 0) on s0, s1 and 3 more; 19:21 makes s0 a real server of web (dr)',
    ]);
  });

  test('in another file', () => {
    const main = inventory()
      .replace(/^ {2}r: .*\n/mu, '')
      .replace('name: c\n', 'name: c\ninclude: [r.yaml]\n');
    const host =
      'hosts:\n  r: { sysctls: { net.ipv4.conf.all.arp_ignore: 0 }, interfaces: { eth0: { addresses: [10.0.0.3/24] } } }\n';
    expect(conflictsIn(main, { 'r.yaml': host })).toEqual([
      'r.yaml:2:19 sysctl net.ipv4.conf.all.arp_ignore (1 and 0) on r; 15:21 makes r a real server of web (dr)',
    ]);
  });

  test.each(['debian', 'rhel'])('of hosts of the family %s alone, which the inventory needn’t know', (family) => {
    const text = said('r', `by_platform: { ${family}: { sysctls: { net.ipv4.conf.all.arp_ignore: 0 } } }`);
    const [one, ...others] = conflictsIn(text);
    expect(one).toMatch(/^5:\d\d sysctl net\.ipv4\.conf\.all\.arp_ignore \(1 and 0\) on r; 15:21 makes r/u);
    expect(others).toEqual([]);
  });

  test.each([
    ['a router', 'd: { forwarding: true, ', 'sysctls: { net.ipv4.ip_forward: 0 }', '; 4:8 makes d a router'],
    [
      'a clock',
      'd: { time: { servers: [10.0.0.9] }, ',
      'units: { chrony.service: { running: false } }',
      '; 4:8 sets the clock of d',
    ],
  ])('%s', (_name, role, own, expected) => {
    const [one = '', ...others] = conflictsIn(inventory().replace('d: { ', `${role}${own}, `));
    expect(one).toContain(expected);
    expect(others).toEqual([]);
  });

  test('a site', () => {
    const tail = 'web_servers:\n  p: { software: nginx, hosts: [r], port: 80, index: x }';
    const text = inventory({ tail }).replace('r: { ', 'r: { units: { nginx.service: { running: false } }, ');
    expect(conflictsIn(text)).toEqual(['5:17 service nginx.service on r; 17:25 puts p on r']);
  });
});
