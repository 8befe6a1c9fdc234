import type { ImportedReal, ImportedService } from '../../import/imported.ts';
import {
  endpoint,
  type IpvsDestination,
  type IpvsForwarding,
  type IpvsService,
  matchWords,
  serviceFlags,
} from '../../resources/ipvs-table.ts';
import { host, table, unit, WEB, web } from './examples.ts';
import type { LiveFound, LiveRule } from './rule.ts';
import { isRunning, keepsTable, serviceText, type View } from './view.ts';

const CONF = 'file /etc/keepalived/keepalived.conf';

interface Said {
  check?: boolean;
  scheduler?: string;
  reals?: string[];
}

/** A keepalived.conf with one virtual server. */
function conf({ check = true, scheduler = 'rr', reals = ['192.0.2.11'] }: Said = {}): string {
  const inside = check ? '        TCP_CHECK {\n            connect_timeout 3\n        }\n' : '        weight 1\n';
  return [
    'virtual_server 192.0.2.100 80 {\n    protocol TCP\n',
    `    lvs_sched ${scheduler}\n    lvs_method DR\n`,
    ...reals.map((one) => `    real_server ${one} 80 {\n${inside}    }\n`),
    '}\n',
  ].join('');
}

const RUNS = unit('keepalived', 'enabled');
const ONE = web('192.0.2.11:80 -g -w 1');
const TWO = web('192.0.2.12:80 -g -w 1');
const BOTH = { reals: ['192.0.2.11', '192.0.2.12'] };
const example = (said: Said, ...lines: string[]): string =>
  host('lvs1', { units: RUNS, [CONF]: conf(said), ipvs: table(...lines) });

/** A virtual server of keepalived.conf beside the kernel's. */
interface Pair {
  view: View;
  said: ImportedService;
  key: string;
  /** undefined: the kernel has none. */
  real?: IpvsService;
}

/** Where keepalived runs and the table is known. */
function* pairs(hosts: readonly View[]): Iterable<Pair> {
  for (const view of hosts.filter(isKept)) {
    for (const said of view.configured.services) {
      const key = keyOf(said);
      const real = view.table?.get(key);
      yield { view, said, key, ...(real === undefined ? {} : { real }) };
    }
  }
}

function isKept(view: View): boolean {
  return isRunning(view) && keepsTable(view) && view.table !== undefined;
}

function keyOf({ match }: ImportedService): string {
  return matchWords(
    match.by === 'fwmark'
      ? { protocol: 'fwmark', mark: match.mark, family: match.family }
      : { protocol: match.protocol, address: match.address, port: match.port },
  ).join(' ');
}

function familyOf({ match, reals }: ImportedService): 4 | 6 {
  if (match.by === 'fwmark') return match.family;
  return (match.address || reals[0]?.address || '').includes(':') ? 6 : 4;
}

function forwardingOf({ method }: ImportedService): IpvsForwarding {
  switch (method.mode) {
    case 'dr':
      return { method: 'gate' };
    case 'nat':
      return { method: 'masq' };
    case 'tun':
      return { method: 'tunnel', tunnel: method.tunnel };
  }
}

const WORDS = { gate: 'DR', masq: 'NAT', tunnel: 'TUN' } as const;

/** keepalived writes `0` for the port that the client asked for, and so does the table. */
function isSame({ address, port }: ImportedReal, destination: IpvsDestination): boolean {
  return address === destination.address && port === destination.port;
}

/** How the kernel's service differs from what the file says. */
function* otherwise({ said, real }: Pair): Iterable<string> {
  if (real === undefined) return;
  if (said.scheduler !== real.scheduler) yield `its scheduler is ${real.scheduler}, not ${said.scheduler}`;
  const family = familyOf(said);
  const { persistence } = said;
  const flags = serviceFlags({
    family,
    schedulerFlags: said.flags,
    onePacket: said.onePacket,
    engine: persistence?.engine === 'sip' ? 'sip' : undefined,
    persistence: persistence && {
      timeout: persistence.timeout,
      prefix: persistence.prefix ?? (family === 4 ? 32 : 128),
    },
  });
  if (flags.toSorted().join(' ') !== real.flags.toSorted().join(' '))
    yield `its options are “${real.flags.join(' ') || 'none'}”, not “${flags.join(' ') || 'none'}”`;
  const wanted = forwardingOf(said).method;
  const others = real.destinations.filter(
    (one) => one.method !== wanted && said.reals.some((each) => isSame(each, one)),
  );
  for (const one of others) yield `${endpoint(one)} is reached by ${WORDS[one.method]}, not by ${WORDS[wanted]}`;
}

const at = ({ view, said }: Pair): LiveFound['place'] => (view.conf === undefined ? view.place : said.place);

/** What keepalived.conf says against what the kernel does. */
export const LIVE_DRIFT: readonly LiveRule[] = [
  {
    code: 'LVS-LIVE-101',
    severity: 'error',
    title: 'a virtual server that the kernel doesn’t have',
    why: 'keepalived runs with a configuration that has it, and the kernel’s table hasn’t: somebody deleted it, or keepalived runs an older configuration. A reload doesn’t mend it: keepalived compares with its own last configuration, not with the kernel.',
    remedy:
      'If the file was changed since: systemctl reload keepalived. If the table was: ipvsadm -A and -a what is missing, or restart keepalived (its peer takes over meanwhile).',
    source: 'keepalived(8), SIGHUP; acassen/keepalived issues 1018 and 1877',
    bad: example({}),
    good: example({}, WEB, ONE),
    *check(hosts) {
      for (const pair of pairs(hosts)) {
        if (pair.real === undefined)
          yield { place: at(pair), what: `${serviceText(pair.key)} is not in the table of ${pair.view.seen.name}` };
      }
    },
  },
  {
    code: 'LVS-LIVE-102',
    severity: 'warning',
    title: 'a virtual server that the kernel has otherwise',
    why: 'The kernel’s scheduler, persistence or method is another one than the file’s: the file was changed and not loaded, or the table was changed by hand.',
    remedy: 'systemctl reload keepalived where the file is newer; ipvsadm -E or -e where the table was changed.',
    source: 'keepalived(8), SIGHUP',
    bad: example({}, WEB.replace('rr', 'wlc'), ONE),
    good: example({}, WEB, ONE),
    *check(hosts) {
      for (const pair of pairs(hosts)) {
        for (const what of otherwise(pair))
          yield { place: at(pair), what: `${serviceText(pair.key)} on ${pair.view.seen.name}: ${what}` };
      }
    },
  },
  {
    code: 'LVS-LIVE-103',
    severity: 'warning',
    title: 'a virtual server that keepalived.conf doesn’t have',
    why: 'Something else put it into the table beside keepalived: after the next boot it is gone, and the other node never had it.',
    remedy: 'Write it into keepalived.conf, or delete it: ipvsadm -D.',
    source: 'keepalived(8)',
    bad: example({}, WEB, ONE, WEB.replace(':80', ':443')),
    good: example({}, WEB, ONE),
    *check(hosts) {
      for (const view of hosts.filter(isKept)) {
        const known = new Set(view.configured.services.map(keyOf));
        for (const key of view.table?.keys() ?? []) {
          if (!known.has(key)) yield { place: view.place, what: `${serviceText(key)} is in no keepalived.conf` };
        }
      }
    },
  },
  {
    code: 'LVS-LIVE-104',
    severity: 'warning',
    title: 'a real server that is out',
    why: 'keepalived checks it, and it is not in the table, or with weight 0: its check fails. (Taken out by hand it looks the same.)',
    remedy: 'See what the check asks for, from the director: journalctl -u keepalived tells when it failed and how.',
    source: 'keepalived.conf(5), real_server, inhibit_on_failure',
    bad: example(BOTH, WEB, ONE),
    good: example(BOTH, WEB, ONE, TWO),
    *check(hosts) {
      for (const pair of pairs(hosts)) {
        if (pair.real === undefined || pair.said.check === undefined) continue;
        for (const each of pair.said.reals) {
          const found = pair.real.destinations.find((one) => isSame(each, one));
          if (found !== undefined && (found.weight > 0 || each.weight === 0)) continue;
          yield {
            place: at(pair),
            what: `${endpoint(each)} of ${serviceText(pair.key)} is ${found === undefined ? 'not in the table' : 'in the table with weight 0'} of ${pair.view.seen.name}: down by its check`,
          };
        }
      }
    },
  },
  {
    code: 'LVS-LIVE-105',
    severity: 'warning',
    title: 'a real server that differs from keepalived.conf',
    why: 'It is missing although nothing checks it, has another weight, or is in the table and not in the file: somebody changed the table by hand, and the next start of keepalived changes it back.',
    remedy: 'Put the table right by ipvsadm -a, -e or -d, or write what is meant into keepalived.conf.',
    source: 'keepalived(8)',
    bad: example({}, WEB, ONE, TWO),
    good: example({}, WEB, ONE),
    *check(hosts) {
      for (const pair of pairs(hosts)) {
        const { said, real, view, key } = pair;
        if (real === undefined) continue;
        const of = `of ${serviceText(key)} on ${view.seen.name}`;
        for (const each of said.reals) {
          const found = real.destinations.find((one) => isSame(each, one));
          if (found === undefined && said.check === undefined)
            yield { place: at(pair), what: `${endpoint(each)} ${of} is not in the table` };
          const checked = said.check !== undefined && found?.weight === 0;
          if (found !== undefined && !checked && found.weight !== each.weight)
            yield { place: at(pair), what: `${endpoint(each)} ${of} has weight ${found.weight}, not ${each.weight}` };
        }
        for (const one of real.destinations) {
          if (said.reals.some((each) => isSame(each, one)) || isSorry(said, one)) continue;
          yield { place: at(pair), what: `${endpoint(one)} ${of} is not in keepalived.conf` };
        }
      }
    },
  },
  {
    code: 'LVS-LIVE-106',
    severity: 'error',
    title: 'a service without a real server',
    why: 'Nobody in the table has a weight: clients get a refusal, or nothing.',
    remedy: 'See why all are out; give one a weight: ipvsadm -e … -w 1.',
    source: 'ipvsadm(8), --weight',
    bad: host('lvs1', {
      units: '',
      ipvs: table(WEB, web('192.0.2.11:80 -g -w 0')),
      'file /etc/sysconfig/ipvsadm': `${WEB}\n${web('192.0.2.11:80 -g -w 0')}\n`,
    }),
    good: host('lvs1', { units: '', ipvs: table(WEB, ONE), 'file /etc/sysconfig/ipvsadm': `${WEB}\n${ONE}\n` }),
    *check(hosts) {
      for (const view of hosts) {
        for (const [key, { destinations }] of view.table ?? []) {
          if (destinations.some(({ weight }) => weight > 0)) continue;
          const known = destinations.length === 0 ? 'no real server' : 'no real server with a weight';
          // Where keepalived doesn't have it, that is the finding.
          if (isKept(view) && !view.configured.services.some((said) => keyOf(said) === key)) continue;
          yield { place: view.place, what: `${serviceText(key)} has ${known} in the table` };
        }
      }
    },
  },
];

function isSorry({ sorry, match }: ImportedService, { address, port }: IpvsDestination): boolean {
  if (sorry?.address !== address) return false;
  return sorry.port === undefined ? match.by === 'fwmark' || match.port === port : sorry.port === port || port === 0;
}
