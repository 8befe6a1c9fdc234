import { host } from './examples.ts';
import type { LiveRule } from './rule.ts';

/** What could not be read, and so was not judged. */
export const LIVE_UNREAD: readonly LiveRule[] = [
  {
    code: 'LVS-LIVE-901',
    severity: 'info',
    title: 'read without root',
    why: 'IPVS’s table, firewalls and files with secrets are root’s: what hangs on them was not judged.',
    remedy: 'Log in as root (root@HOST), or give --sudo.',
    source: 'ipvsadm(8)',
    bad: host('lvs1', { user: '1000', 'unread /etc/keepalived/keepalived.conf': '' }),
    good: host('lvs1', { user: '0' }),
    *check(hosts) {
      for (const { seen, place } of hosts) {
        if (seen.root) continue;
        const missing = [...seen.unread, ...(seen.ipvs.state === 'unknown' ? ['IPVS’s table'] : [])];
        yield { place, what: `not read: ${missing.join(', ') || 'what root alone may see'}` };
      }
    },
  },
  {
    code: 'LVS-LIVE-902',
    severity: 'info',
    title: 'a table that can’t be read',
    why: 'ip_vs is loaded, and ipvsadm is missing or doesn’t tell the table: what the kernel does was not compared with any file.',
    remedy: 'Install ipvsadm there; it changes nothing by itself.',
    source: 'ipvsadm(8)',
    bad: host('lvs1', { ipvs: 'no tool' }),
    good: host('lvs1', { ipvs: 'no module' }),
    *check(hosts) {
      for (const { seen, place } of hosts) {
        if (seen.root && seen.ipvs.state === 'unknown' && seen.ipvs.why !== 'it was not told')
          yield { place, what: `IPVS’s table is not known: ${seen.ipvs.why}` };
      }
    },
  },
];
