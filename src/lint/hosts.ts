import { hostNamed } from '../inventory/derived.ts';
import type { Path } from '../inventory/document.ts';
import type { Extras, Host, Unit } from '../inventory/model.ts';
import { hostSays } from '../inventory/places.ts';
import { host } from './examples.ts';
import type { Found, Question, Rule } from './rule.ts';

/** What the network of a host is configured by, when not by lvsctl. */
const NETWORK =
  /^\/etc\/(sysconfig\/network-scripts\/|network\/interfaces|netplan\/|NetworkManager\/system-connections\/|systemd\/network\/|rc\.local$|rc\.d\/rc\.local$)/u;
const FIREWALLS = ['firewalld.service', 'nftables.service', 'iptables.service', 'ufw.service'];

/** What is said of hosts beside their roles. */
export const HOSTS: readonly Rule[] = [
  {
    code: 'LVS-HOST-001',
    severity: 'warning',
    title: 'kernel parameters in a file of one’s own',
    why: 'lvsctl puts the file there and knows nothing of what is in it: the parameters aren’t set now, aren’t compared with what the kernel has, and another file that is read later may set them otherwise.',
    remedy: 'Say them under sysctls: they are set at once, kept for the next boot, and looked at by every plan.',
    source: 'sysctl.d(5)',
    bad: host('files: { /etc/sysctl.conf: { content: "net.ipv4.ip_forward = 1\\n" } }'),
    good: host('sysctls: { net.core.somaxconn: 4096 }'),
    *check(question) {
      yield* filesWhere(
        question,
        (path) => /^\/etc\/sysctl\.(conf$|d\/)/u.test(path),
        (path, name) => {
          return `${path} sets kernel parameters of ${name} past lvsctl`;
        },
      );
    },
  },
  {
    code: 'LVS-HOST-002',
    severity: 'warning',
    title: 'network configuration in a file of one’s own',
    why: 'lvsctl writes the addresses, routes and VIPs of its hosts itself, as NetworkManager’s profiles, and reads back what is in force. A file beside these is read by nobody (network-scripts on RHEL 9 and its kin), or makes a second address that nobody compares; rc.local runs once at boot, after the network, and its failures are seen by no one.',
    remedy: 'Describe the interface, and let a service’s VIP follow from the service.',
    source: 'NetworkManager.conf(5); systemd-rc-local-generator(8)',
    bad: host('files: { /etc/rc.local: { content: "ip addr add 192.0.2.100/32 dev lo\\n", mode: "0755" } }'),
    good: host(''),
    *check(question) {
      yield* filesWhere(
        question,
        (path) => NETWORK.test(path),
        (path, name) => {
          return `${path} configures the network of ${name} past lvsctl`;
        },
      );
    },
  },
  {
    code: 'LVS-HOST-003',
    severity: 'warning',
    title: 'the firewall is switched off',
    why: 'It is switched off so that the cluster works. That isn’t needed: lvsctl opens in a firewall that runs what the cluster needs (service ports, VRRP, connection synchronisation), and nothing else.',
    remedy: 'Leave the unit out.',
    source: 'lvsctl: docs/firewall.md',
    bad: host('units: { firewalld.service: { enabled: false, running: false } }'),
    good: host(''),
    *check(question) {
      for (const { name, at, extras } of partsOf(question)) {
        for (const unit of extras.units) {
          if (!FIREWALLS.includes(unit.name) || (unit.enabled && unit.running)) continue;
          yield {
            path: at('units', unit.name),
            of: 'key',
            what: `${unit.name} of ${name} is switched off: all its ports are open`,
          };
        }
      }
    },
  },
  {
    code: 'LVS-HOST-004',
    severity: 'warning',
    title: 'SELinux is switched off',
    why: 'It is switched off so that a proxy can reach its servers, or a server can listen on another port. That isn’t needed: lvsctl sets the booleans and ports that the roles need.',
    remedy: 'Leave the file out.',
    source: 'selinux_config(5)',
    bad: host('files: { /etc/selinux/config: { content: "SELINUX=disabled\\n" } }'),
    good: host(''),
    *check(question) {
      for (const { name, at, extras } of partsOf(question)) {
        for (const { path, content } of extras.files) {
          const [, mode] = /^\s*SELINUX\s*=\s*(disabled|permissive)\b/mu.exec(content) ?? [];
          if (!/^\/etc\/(selinux|sysconfig\/selinux)/u.test(path) || mode === undefined) continue;
          yield { path: at('files', path), of: 'key', what: `${path} makes SELinux ${mode} on ${name}` };
        }
      }
    },
  },
  {
    code: 'LVS-HOST-005',
    severity: 'warning',
    title: 'conn_reuse_mode 0 undoes expire_nodest_conn',
    why: 'With net.ipv4.vs.conn_reuse_mode 0 a new connection from a port that was used before goes the old one’s way, also when that real server is gone: expire_nodest_conn, which lvsctl sets, has no effect on it then.',
    remedy: 'Leave it out: kernels since 5.9 have no more cost with 1.',
    source: 'Linux Documentation/networking/ipvs-sysctl.rst, conn_reuse_mode',
    bad: host('sysctls: { net.ipv4.vs.conn_reuse_mode: 0 }', 'lvs'),
    good: host('', 'lvs'),
    *check(question) {
      for (const { name, at, extras } of partsOf(question)) {
        if (extras.sysctls['net.ipv4.vs.conn_reuse_mode'] !== '0') continue;
        yield {
          path: at('sysctls', 'net.ipv4.vs.conn_reuse_mode'),
          what: `on ${name} a removed real server would go on getting connections from ports that were used before`,
        };
      }
    },
  },
  {
    code: 'LVS-HOST-006',
    severity: 'warning',
    title: 'a value for templates that YAML reads another way',
    why: 'Without quotes YAML 1.2 takes yes, no, on and off for text (YAML 1.1 took them for true and false), and 1.10 for the number 1.1. A template then tests a text, which is always true, or prints another number than was written.',
    remedy: 'Write true or false, or put the value in quotes.',
    source: 'YAML 1.2, section 10.3.2',
    bad: host('vars: { debug: no }'),
    good: host('vars: { debug: false }'),
    *check({ said, document }) {
      for (const { at, value } of varsIn(said)) {
        // How a value is written is looked up only where it matters: that goes through the whole file.
        if (typeof value !== 'number' && !/^(yes|no|on|off)$/iu.test(String(value))) continue;
        const written = document.written(at);
        if (written === undefined) continue;
        const name = at.at(-1);
        if (/^(yes|no|on|off)$/iu.test(written))
          yield { path: at, what: `${name} is the text “${written}”, neither true nor false` };
        else if (
          /^[-+]?\d*\.\d*$/u.test(written) &&
          Number.isFinite(Number(written)) &&
          String(Number(written)) !== written
        )
          yield {
            path: at,
            what: `${name} is the number ${Number(written)}, not the text “${written}”`,
            next: 'Put the value in quotes.',
          };
      }
    },
  },
  {
    code: 'LVS-HOST-007',
    severity: 'error',
    title: 'the way to the host is switched off',
    why: 'sshd lets you and lvsctl in, and NetworkManager brings the addresses up that lvsctl writes; without either nobody reaches the host, at once or after its next boot. lvsctl’s own units take a change back that strands the host: switched off, it stays stranded.',
    remedy: 'Leave the unit out.',
    source: 'sshd(8); NetworkManager(8); lvsctl: ARCHITECTURE.md, "The transaction of a host"',
    bad: host('units: { sshd.service: { enabled: false } }'),
    good: host('units: { sshd.service: { enabled: false }, sshd.socket: {} }'),
    *check(question) {
      for (const { name, at, extras } of partsOf(question)) {
        const managed = hostNamed(question.cluster, name)?.owns.includes('network') === true;
        const other = extras.units.some((unit) => SSH.test(unit.name) && unit.enabled && unit.running);
        for (const unit of extras.units.filter(({ enabled, running }) => !(enabled && running))) {
          const holds =
            OWN.test(unit.name) ||
            (SSH.test(unit.name) && !other) ||
            (unit.name === 'NetworkManager.service' && managed);
          if (!holds) continue;
          yield { path: at('units', unit.name), of: 'key', what: `${unit.name} of ${name} ${how(unit)}` };
        }
      }
    },
  },
  {
    code: 'LVS-HOST-008',
    severity: 'warning',
    title: 'what may hold the host’s addresses is switched off',
    why: 'lvsctl writes addresses as NetworkManager’s profiles. Until a host’s interfaces are NetworkManager’s, systemd-networkd or ifupdown may be what brings up the address that you and lvsctl reach it by.',
    remedy: 'See that NetworkManager has the interfaces (nmcli device) before it is switched off; best by hand.',
    source: 'systemd-networkd.service(8); interfaces(5); NetworkManager.conf(5), [keyfile] unmanaged-devices',
    bad: host('units: { systemd-networkd.service: { enabled: false, running: false } }'),
    good: host(''),
    *check(question) {
      for (const { name, at, extras } of partsOf(question)) {
        for (const unit of extras.units.filter(({ enabled, running }) => !(enabled && running))) {
          if (!OTHER_NETWORKS.test(unit.name)) continue;
          yield { path: at('units', unit.name), of: 'key', what: `${unit.name} of ${name} ${how(unit)}` };
        }
      }
    },
  },
  {
    code: 'LVS-HOST-009',
    severity: 'warning',
    title: 'a configuration of sshd that nothing tries',
    why: 'lvsctl confirms a change over a new connection to the sshd that runs. That one reads its configuration when it starts or is told to, and no apply does that: a mistake in the file shows at the next boot, when nobody gets in any more.',
    remedy: 'After the apply: sshd -t, then reload sshd and log in anew while the old session is still open.',
    source: 'sshd(8), -t and SIGHUP; sshd_config(5)',
    bad: host('files: { /etc/ssh/sshd_config.d/lab.conf: { content: "AuthorizedKeysFile none\\n" } }'),
    good: host('files: { /etc/ssh/ssh_config.d/lab.conf: { content: "Host *\\n" } }'),
    *check(question) {
      yield* filesWhere(
        question,
        (path) => SSHD_READS.test(path),
        (path, name) => `${path} of ${name} takes effect when sshd starts anew, and is not tried before`,
      );
    },
  },
];

/** What sshd reads when it starts (Debian and RHEL: also the options of its unit). */
const SSHD_READS = /^\/etc\/(ssh\/sshd_config$|ssh\/sshd_config\.d\/|default\/ssh$|sysconfig\/sshd$)/u;
/** What lets operators in. */
const SSH = /^sshd?\.(service|socket)$/u;
/** What takes back a change that strands the host (host/transaction.ts). */
const OWN = /^lvsctl-(settle\.|revert-)/u;
/** What else than NetworkManager brings addresses up. */
const OTHER_NETWORKS = /^(systemd-networkd\.(service|socket)|networking\.service)$/u;

function how({ enabled, running }: Unit): string {
  if (running) return 'won’t start at the next boot';
  return enabled ? 'is stopped' : 'is stopped, and won’t start at the next boot';
}

/** What managed hosts have beside their roles: of all families, and of one. */
export function* partsOf(
  question: Question,
): Generator<{ name: string; extras: Extras; at: (...key: string[]) => Path }> {
  for (const one of question.cluster.hosts.filter(({ managed }) => managed)) {
    yield { name: one.name, extras: one, at: (...key) => hostSays(question, one.name, ...key) };
    for (const [platform, extras] of Object.entries(one.byPlatform)) {
      yield { name: one.name, extras, at: (...key) => hostSays(question, one.name, 'by_platform', platform, ...key) };
    }
  }
}

/** Files that match, each place once: what a group says is met again with each of its hosts. */
function* filesWhere(
  question: Question,
  wanted: (path: string) => boolean,
  what: (path: string, host: Host['name']) => string,
): Generator<Found> {
  const met = new Set<string>();
  for (const { name, at, extras } of partsOf(question)) {
    for (const { path } of extras.files.filter((file) => wanted(file.path))) {
      const place = at('files', path);
      if (met.has(place.join('\0'))) continue;
      met.add(place.join('\0'));
      yield { path: place, of: 'key', what: what(path, name) };
    }
  }
}

/** Every value for templates: of hosts, groups and the defaults. */
function* varsIn(said: Question['said']): Generator<{ at: Path; value: unknown }> {
  const holders: [Path, { vars?: object } | undefined][] = [
    ...Object.entries(said.hosts ?? {}).map(([name, one]): [Path, typeof one] => [['hosts', name], one]),
    ...Object.entries(said.groups ?? {}).map(([name, one]): [Path, typeof one] => [['groups', name], one]),
    [['defaults', 'host'], said.defaults?.host],
  ];
  for (const [path, one] of holders) {
    for (const [key, value] of Object.entries(one?.vars ?? {})) yield { at: [...path, 'vars', key], value };
  }
}
