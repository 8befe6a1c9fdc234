import { settingFor } from '../../observed/boot.ts';
import { fileOf } from '../../observed/keepalived.ts';
import { definitionWords, destinationWords, type IpvsTable } from '../../resources/ipvs-table.ts';
import { host, sysctls, table, unit, WEB, web } from './examples.ts';
import type { LiveRule } from './rule.ts';
import { dotted, isRunning, keepsTable, serviceText, type View } from './view.ts';

const CONF = 'file /etc/keepalived/keepalived.conf';
const VIRTUAL = `virtual_server 192.0.2.100 80 {
    protocol TCP
    lvs_sched rr
    lvs_method DR
    real_server 192.0.2.11 80 {
        weight 1
    }
}
`;
const RULES = `${WEB}\n${web('192.0.2.11:80 -g -w 1')}\n`;
const LIVE = table(...RULES.trim().split('\n'));

/** Whether something other than saved rules fills the table at boot. */
function isOwned(view: View): boolean {
  const { units } = view.seen;
  const ldirectord = units.get('ldirectord.service');
  return keepsTable(view) || ldirectord?.active === true || ldirectord?.enabled === true || view.seen.unread.length > 0;
}

/** Whether the saved rules are loaded at boot; undefined: that can't be told. */
function isLoaded({ seen, saved }: View): boolean | undefined {
  const own = seen.units.get('ipvsadm.service');
  if (own === undefined) return undefined;
  if (saved?.path !== '/etc/ipvsadm.rules') return own.enabled;
  const settings = seen.files.get('/etc/default/ipvsadm');
  return own.enabled && (settings === undefined || /^\s*AUTO="?true"?\s*$/m.test(settings));
}

/** What of two tables differs, in words. */
function differences(live: IpvsTable, saved: IpvsTable): string[] {
  const keys = [...new Set([...live.keys(), ...saved.keys()])];
  return keys.flatMap((key) => {
    const [one, other] = [live.get(key), saved.get(key)];
    if (other === undefined) return [`${serviceText(key)} is not saved`];
    if (one === undefined) return [`${serviceText(key)} is saved, and not in the table`];
    return sameService(one, other) ? [] : [`${serviceText(key)} is saved otherwise`];
  });
}

type Service = IpvsTable extends Map<string, infer S> ? S : never;

function sameService(one: Service, other: Service): boolean {
  const words = ({ scheduler, flags, destinations }: Service) => [
    definitionWords({ scheduler, flags: [] }).join(' '),
    flags.toSorted().join(' '),
    // -S of 1.31 tells no thresholds.
    ...destinations.map((each) => destinationWords({ ...each, upper: 0, lower: 0 }).join(' ')).toSorted(),
  ];
  return words(one).join('\n') === words(other).join('\n');
}

/** What is there now and wouldn't be after a reboot, or the other way round. */
export const LIVE_BOOT: readonly LiveRule[] = [
  {
    code: 'LVS-LIVE-001',
    severity: 'error',
    title: 'rules that nothing brings back',
    why: 'The kernel’s table was filled by hand: it is neither saved nor in a keepalived.conf. At the next boot the director takes no connections.',
    remedy:
      'Save it where ipvsadm’s unit reads it, and enable that: ipvsadm-save -n >/etc/sysconfig/ipvsadm (Debian: /etc/ipvsadm.rules with AUTO="true" in /etc/default/ipvsadm); or write the services into a keepalived.conf.',
    source: 'ipvsadm-save(8)',
    bad: host('lvs1', { ipvs: LIVE }),
    good: host('lvs1', {
      ipvs: LIVE,
      'file /etc/sysconfig/ipvsadm': RULES,
      units: unit('ipvsadm', 'enabled'),
    }),
    *check(hosts) {
      for (const view of hosts) {
        const size = view.table?.size ?? 0;
        if (size === 0 || view.saved !== undefined || isOwned(view)) continue;
        yield {
          place: view.place,
          what: `${size === 1 ? 'the service' : `${size} services`} of the kernel’s table stand${size === 1 ? 's' : ''} in no file`,
        };
      }
    },
  },
  {
    code: 'LVS-LIVE-002',
    severity: 'error',
    title: 'saved rules that nothing loads',
    why: 'The rules are saved, and the unit that loads them at boot is not enabled.',
    remedy: 'systemctl enable ipvsadm; on Debian also AUTO="true" in /etc/default/ipvsadm.',
    source: 'ipvsadm.service of Red Hat’s family; /etc/init.d/ipvsadm of Debian’s',
    bad: host('lvs1', {
      ipvs: LIVE,
      'file /etc/ipvsadm.rules': RULES,
      'file /etc/default/ipvsadm': 'AUTO="false"\n',
      units: unit('ipvsadm', 'enabled'),
    }),
    good: host('lvs1', {
      ipvs: LIVE,
      'file /etc/ipvsadm.rules': RULES,
      'file /etc/default/ipvsadm': 'AUTO="true"\n',
      units: unit('ipvsadm', 'enabled'),
    }),
    *check(hosts) {
      for (const view of hosts) {
        if (view.saved === undefined || (view.table?.size ?? 0) === 0 || isOwned(view)) continue;
        if (isLoaded(view) === false) yield { place: view.place, what: `${view.saved.path} is not loaded at boot` };
      }
    },
  },
  {
    code: 'LVS-LIVE-003',
    severity: 'warning',
    title: 'saved rules that differ from the table',
    why: 'The next boot brings back what was saved, not what works now.',
    remedy: 'Save the table again: ipvsadm-save -n. Or put right what somebody changed in it.',
    source: 'ipvsadm-save(8)',
    bad: host('lvs1', {
      ipvs: LIVE,
      'file /etc/sysconfig/ipvsadm': RULES.replace('.11:80', '.12:80'),
      units: unit('ipvsadm', 'enabled'),
    }),
    good: host('lvs1', {
      ipvs: LIVE,
      'file /etc/sysconfig/ipvsadm': RULES,
      units: unit('ipvsadm', 'enabled'),
    }),
    *check(hosts) {
      for (const view of hosts) {
        const { saved, seen } = view;
        if (saved === undefined || view.table === undefined || isOwned(view)) continue;
        for (const what of differences(view.table, saved.table))
          yield { place: { kind: 'file', file: fileOf(seen.name, saved.path) }, what };
      }
    },
  },
  {
    code: 'LVS-LIVE-004',
    severity: 'error',
    title: 'two owners of one table',
    why: 'keepalived makes rules of its own configuration, and ipvsadm’s unit loads saved ones beside them. Whichever stops or starts later takes the other’s away: ipvsadm’s stop clears the whole table.',
    remedy: 'Disable one of them: systemctl disable ipvsadm, where keepalived has the virtual servers.',
    source: 'ipvsadm.service; keepalived(8)',
    bad: host('lvs1', {
      ipvs: LIVE,
      [CONF]: VIRTUAL,
      'file /etc/sysconfig/ipvsadm': RULES,
      units: unit('keepalived', 'enabled') + unit('ipvsadm', 'enabled'),
    }),
    good: host('lvs1', {
      ipvs: LIVE,
      [CONF]: VIRTUAL,
      'file /etc/sysconfig/ipvsadm': RULES,
      units: unit('keepalived', 'enabled') + unit('ipvsadm', 'disabled', 'inactive'),
    }),
    *check(hosts) {
      for (const view of hosts) {
        if (view.saved === undefined || !keepsTable(view) || isLoaded(view) !== true) continue;
        yield {
          place: view.place,
          what: `keepalived.conf has virtual servers, and ${view.saved.path} is loaded at boot too`,
        };
      }
    },
  },
  {
    code: 'LVS-LIVE-005',
    severity: 'error',
    title: 'a keepalived that doesn’t start at boot',
    why: 'It runs, and nobody starts it after the next boot: no VIP there, and no rules.',
    remedy: 'systemctl enable keepalived',
    source: 'systemctl(1), enable',
    bad: host('lvs1', { [CONF]: VIRTUAL, ipvs: LIVE, units: unit('keepalived', 'disabled') }),
    good: host('lvs1', { [CONF]: VIRTUAL, ipvs: LIVE, units: unit('keepalived', 'enabled') }),
    *check(hosts) {
      for (const { seen, place } of hosts) {
        const own = seen.units.get('keepalived.service');
        if (own?.active === true && !own.enabled) yield { place, what: 'keepalived runs, and is not enabled' };
      }
    },
  },
  {
    code: 'LVS-LIVE-006',
    severity: 'error',
    title: 'a keepalived that doesn’t run',
    why: 'It is to run, and has a configuration; nobody carries the VIPs, nobody checks the real servers.',
    remedy: 'See why: systemctl status keepalived; keepalived -t.',
    source: 'systemctl(1), status',
    bad: host('lvs1', { [CONF]: VIRTUAL, units: unit('keepalived', 'enabled', 'inactive') }),
    good: host('lvs1', { [CONF]: VIRTUAL, ipvs: LIVE, units: unit('keepalived', 'enabled') }),
    *check(hosts) {
      for (const view of hosts) {
        const { seen, place, configured } = view;
        if (seen.units.get('keepalived.service')?.enabled !== true || isRunning(view)) continue;
        if (configured.instances.length + configured.services.length > 0)
          yield { place, what: 'keepalived is enabled, has a configuration and does not run' };
      }
    },
  },
  {
    code: 'LVS-LIVE-007',
    severity: 'warning',
    title: 'a parameter that is set and not in force',
    why: 'A file sets another value than the kernel has: it was changed since, or the file was written and never applied. The next boot changes how the host behaves.',
    remedy: 'Put it in force (sysctl -w, or sysctl --system for all), or correct the file.',
    source: 'sysctl.d(5)',
    bad: host('lvs1', {
      'boot-files': './etc/sysctl.d/10-lvs.conf',
      boot: './etc/sysctl.d/10-lvs.conf:1:net.ipv4.ip_forward = 1',
      sysctls: sysctls('net/ipv4/ip_forward:0'),
    }),
    good: host('lvs1', {
      'boot-files': './etc/sysctl.d/10-lvs.conf',
      boot: './etc/sysctl.d/10-lvs.conf:1:net.ipv4.ip_forward = 1',
      sysctls: sysctls('net/ipv4/ip_forward:1'),
    }),
    *check(hosts) {
      for (const { seen } of hosts) {
        for (const name of new Set(seen.boot.map((one) => one.name))) {
          const live = seen.sysctls.get(name);
          const said = settingFor(seen.boot, name);
          if (said === undefined || live === undefined || said.value === live) continue;
          yield {
            place: { kind: 'file', file: fileOf(seen.name, said.path), line: said.line },
            what: `${dotted(name)} is to be ${said.value}, and is ${live}`,
          };
        }
      }
    },
  },
  {
    code: 'LVS-LIVE-008',
    severity: 'warning',
    title: 'a parameter in force that no file sets',
    why: 'It was set by hand, and is what the kernel takes by itself after the next boot.',
    remedy: 'Write it into a file of its own, e.g. /etc/sysctl.d/90-lvs.conf.',
    source: 'sysctl.d(5); ip-sysctl.rst and ipvs-sysctl.rst, for the defaults',
    bad: host('rs1', { sysctls: sysctls('net/ipv4/conf/all/arp_ignore:1') }),
    good: host('rs1', {
      sysctls: sysctls('net/ipv4/conf/all/arp_ignore:1'),
      'boot-files': './etc/sysctl.d/90-lvs.conf',
      boot: './etc/sysctl.d/90-lvs.conf:1:net.ipv4.conf.all.arp_ignore = 1',
    }),
    *check(hosts) {
      for (const { seen, place } of hosts) {
        for (const [name, live] of seen.sysctls) {
          const usual = usualOf(name);
          if (usual === undefined || live === usual || comesBack(seen, name, live)) continue;
          // systemd reads it no more, which is another finding.
          if (seen.forgotten.some((one) => one.name === name)) continue;
          yield { place, what: `${dotted(name)} is ${live}, and no file sets it` };
        }
      }
    },
  },
  {
    code: 'LVS-LIVE-009',
    severity: 'warning',
    title: 'a sysctl.conf that nothing reads',
    why: 'systemd reads /etc/sysctl.d and its like at boot, and /etc/sysctl.conf only where a link there leads to it. Debian 13 has no such link any more.',
    remedy: 'Move the lines into a file of /etc/sysctl.d.',
    source: 'systemd-sysctl.service(8)',
    bad: host('lvs1', {
      'boot-files': './etc/sysctl.conf',
      boot: './etc/sysctl.conf:3:net.ipv4.ip_forward=1',
    }),
    good: host('lvs1', {
      'boot-files': './etc/sysctl.d/99-sysctl.conf\n./etc/sysctl.conf',
      boot: './etc/sysctl.d/99-sysctl.conf:3:net.ipv4.ip_forward=1\n./etc/sysctl.conf:3:net.ipv4.ip_forward=1',
    }),
    *check(hosts) {
      for (const { seen } of hosts) {
        for (const { name, value, path, line } of seen.forgotten) {
          if (!/^net\/ipv[46]\//.test(name) || settingFor(seen.boot, name)?.value === value) continue;
          yield {
            place: { kind: 'file', file: fileOf(seen.name, path), line },
            what: `${dotted(name)} is set where nothing reads it at boot`,
          };
        }
      }
    },
  },
  {
    code: 'LVS-LIVE-010',
    severity: 'warning',
    title: 'a parameter of IPVS that is set before it is there',
    why: 'net.ipv4.vs exists once ip_vs is loaded. At boot parameters are set before ipvsadm or keepalived loads it, and the setting is lost.',
    remedy: 'Load the module earlier: echo ip_vs >/etc/modules-load.d/ipvs.conf.',
    source: 'systemd-sysctl.service(8); modules-load.d(5)',
    bad: host('lvs1', {
      modules: 'ip_vs',
      'boot-files': './etc/sysctl.d/90-lvs.conf',
      boot: './etc/sysctl.d/90-lvs.conf:2:net.ipv4.vs.conntrack=1',
    }),
    good: host('lvs1', {
      modules: 'ip_vs',
      'modules-load': './etc/modules-load.d/ipvs.conf:1:ip_vs',
      'boot-files': './etc/sysctl.d/90-lvs.conf',
      boot: './etc/sysctl.d/90-lvs.conf:2:net.ipv4.vs.conntrack=1',
    }),
    *check(hosts) {
      for (const { seen } of hosts) {
        const { loaded, boot } = seen.modules;
        const early = [...boot].some((name) => name === 'ip_vs' || name.startsWith('ip_vs_'));
        if (early || !loaded.has('ip_vs')) continue;
        for (const { name, path, line } of seen.boot.filter((one) => one.name.startsWith('net/ipv4/vs/')))
          yield {
            place: { kind: 'file', file: fileOf(seen.name, path), line },
            what: `${dotted(name)} is set, and ip_vs is not loaded by then`,
          };
      }
    },
  },
];

/** What the kernel takes by itself, for parameters that decide what LVS does; undefined for all others. */
const USUAL: Readonly<Record<string, string>> = {
  'net/ipv4/ip_forward': '0',
  'net/ipv6/conf/all/forwarding': '0',
  'net/ipv4/vs/conntrack': '0',
  'net/ipv4/vs/expire_nodest_conn': '0',
  'net/ipv4/vs/expire_quiescent_template': '0',
  'net/ipv4/vs/sloppy_tcp': '0',
  'net/ipv4/vs/backup_only': '0',
  'net/ipv4/vs/conn_reuse_mode': '1',
  'net/ipv4/vs/snat_reroute': '1',
};

function usualOf(name: string): string | undefined {
  const [, device, parameter] = /^net\/ipv4\/conf\/([^/]+)\/(arp_ignore|arp_announce|send_redirects)$/.exec(name) ?? [];
  if (device === 'default') return undefined;
  if (parameter !== undefined) return parameter === 'send_redirects' ? '1' : '0';
  return USUAL[name];
}

/** Whether a file brings a value back, of the parameter itself or of one that it follows (ip-sysctl.rst). */
function comesBack(seen: View['seen'], name: string, live: string): boolean {
  const also = name.replace(/^net\/ipv4\/conf\/[^/]+\//, 'net/ipv4/conf/default/');
  const names = name === 'net/ipv4/ip_forward' ? [name, 'net/ipv4/conf/all/forwarding'] : [name, also];
  if (settingFor(seen.boot, name) !== undefined) return true;
  return names.some((one) => settingFor(seen.boot, one)?.value === live);
}
