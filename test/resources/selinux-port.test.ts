import { expect, test } from 'vitest';
import { diffOne, noticesOf, type SelinuxPortResource } from '../../src/resources/index.ts';
import { DEBIAN, parsed } from './facts.ts';

const port: SelinuxPortResource = { kind: 'selinux_port', port: 8082, type: 'http_port_t' };
const stored = 'portcon tcp 8082 system_u:object_r:http_port_t:s0\n';

test.each([
  ['no SELinux', '', { mode: 'absent', listed: false }, /^$/],
  ['enforcing', 'enforce 1\n', { mode: 'enforcing', listed: false }, /semanage port -a -t http_port_t -p tcp 8082/],
  ['permissive', 'enforce 0\n', { mode: 'permissive', listed: false }, /permissive/],
  ['given by hand', `enforce 1\n${stored}`, { mode: 'enforcing', listed: true }, /^$/],
  ['within a range', `enforce 1\n${stored.replace('8082', '8000-9000')}`, { mode: 'enforcing', listed: true }, /^$/],
  ['udp', `enforce 1\n${stored.replace('tcp', 'udp')}`, { mode: 'enforcing', listed: false }, /8082/],
])('%s: a notice at most, never a change', (_, text, state, notice) => {
  expect(parsed(text, [port])).toEqual([state]);
  expect(diffOne(port, state, DEBIAN)).toEqual([]);
  expect(noticesOf(port, state).join('\n')).toMatch(notice);
});
