import { heading, type KeepalivedConf, type Statement } from '../../conf/keepalived.ts';
import { parseAddress } from '../../inventory/addresses.ts';
import { suggest } from '../../inventory/suggest.ts';
import { SCHEDULER_FLAGS, SCHEDULERS } from '../../inventory/words.ts';
import { real, service } from './examples.ts';
import { type ConfFound, type ConfRule, last, top, value, within } from './rule.ts';

const MAN = 'keepalived.conf(5)';
const SEEN = 'keepalived 2.2.7, keepalived -t';

/** All virtual servers of all files. */
function* virtualServers(confs: readonly KeepalivedConf[]): Iterable<Statement> {
  for (const conf of confs) yield* top(conf, 'virtual_server');
}

function byMark(one: Statement): boolean {
  return value(one) === 'fwmark';
}

function protocolOf(one: Statement): string {
  return value(last(one, 'protocol'))?.toLowerCase() ?? 'udp';
}

function methodOf(one: Statement | undefined): string | undefined {
  return value(last(one, 'lvs_method', 'lb_kind'))?.toUpperCase();
}

function schedulerOf(one: Statement): string | undefined {
  return value(last(one, 'lvs_sched', 'lb_algo'));
}

/** The checks of a real server (keepalived.conf(5)). */
const CHECKS = [
  ...['HTTP_GET', 'SSL_GET', 'TCP_CHECK', 'SMTP_CHECK', 'DNS_CHECK', 'MISC_CHECK', 'BFD_CHECK', 'UDP_CHECK'],
  ...['PING_CHECK', 'FILE_CHECK'],
];

const weightOf = (one: Statement): number => Number(value(last(one, 'weight')) ?? 1);

/** Virtual servers and real servers: what is left out, doubled, or goes unused. */
export const CONF_SERVICES: readonly ConfRule[] = [
  {
    code: 'LVS-CONF-001',
    severity: 'error',
    title: 'a virtual server without protocol',
    why: 'Without the word keepalived makes a UDP service of it. The rule stands in the table, and no TCP connection is ever forwarded.',
    remedy: 'Write protocol TCP (or UDP, SCTP).',
    source: `${SEEN}: “no protocol set - defaulting to UDP”`,
    bad: service({ protocol: '' }),
    good: service({}),
    *check(confs) {
      for (const one of virtualServers(confs)) {
        if (byMark(one) || last(one, 'protocol') !== undefined) continue;
        yield { place: one.place, what: `${heading(one)} says no protocol: keepalived takes UDP` };
      }
    },
  },
  {
    code: 'LVS-CONF-002',
    severity: 'error',
    title: 'a virtual server without forwarding method',
    why: 'keepalived takes NAT where nothing is said, and ipvsadm takes direct routing: whoever reads or moves the rules is easily wrong, and real servers set up for the other one answer nobody.',
    remedy: 'Write lvs_method NAT, DR or TUN.',
    source: `${SEEN}: “no forwarding method set, setting default NAT”; ipvsadm(8)`,
    bad: service({ method: '' }),
    good: service({}),
    *check(confs) {
      for (const one of virtualServers(confs)) {
        if (methodOf(one) !== undefined) continue;
        const reals = within(one, 'real_server');
        if (reals.length > 0 && reals.every((each) => methodOf(each) !== undefined)) continue;
        yield { place: one.place, what: `${heading(one)} says no lvs_method: keepalived takes NAT` };
      }
    },
  },
  {
    code: 'LVS-CONF-003',
    severity: 'error',
    title: 'all ports without persistence',
    why: 'A service on port 0 takes every port, and IPVS lets only persistent ones do so. keepalived turns persistence on, with six minutes, and says so in its log alone.',
    remedy: 'Write the port, or persistence_timeout with the time that you mean.',
    source: `${SEEN}: “zero port only valid for persistent services - setting”`,
    bad: service({ at: '192.0.2.100', real: real('192.0.2.11') }),
    good: service({ at: '192.0.2.100', more: 'persistence_timeout 300', real: real('192.0.2.11') }),
    *check(confs) {
      for (const one of virtualServers(confs)) {
        if (byMark(one) || value(one) === 'group' || Number(value(one, 2) ?? 0) !== 0) continue;
        if (last(one, 'persistence_timeout') !== undefined) continue;
        yield { place: one.place, what: `${heading(one)} takes all ports, and has no persistence_timeout` };
      }
    },
  },
  {
    code: 'LVS-CONF-004',
    severity: 'error',
    title: 'a real server twice in one service',
    why: 'keepalived removes the second one, with its weight and its check. Often the address of another server was meant.',
    remedy: 'Correct the address, or remove one of them.',
    source: `${SEEN}: “is duplicated - removing second rs”`,
    bad: service({ real: real('192.0.2.11 80') + real('192.0.2.11 80', 'weight 2') }),
    good: service({ real: real('192.0.2.11 80') + real('192.0.2.12 80', 'weight 2') }),
    *check(confs) {
      for (const one of virtualServers(confs)) yield* twins(within(one, 'real_server'), (each) => socketOf(each));
    },
  },
  {
    code: 'LVS-CONF-005',
    severity: 'error',
    title: 'two virtual servers on one address and port',
    why: 'IPVS has one service for a protocol, address and port. Of two blocks one wins, or their real servers are mixed.',
    remedy: 'Make them one block, or give one of them another address, port or protocol.',
    source: `${MAN}, virtual_server; ipvsadm(8)`,
    bad: `${service({})}${service({ real: real('192.0.2.12 80') })}`,
    good: `${service({})}${service({ at: '192.0.2.100 443', real: real('192.0.2.12 443') })}`,
    *check(confs) {
      for (const conf of confs) {
        const own = top(conf, 'virtual_server').filter((one) => value(one) !== 'group');
        yield* twins(own, (one) => (byMark(one) ? heading(one) : `${protocolOf(one)} ${socketOf(one)}`));
      }
    },
  },
  {
    code: 'LVS-CONF-006',
    severity: 'warning',
    title: 'a quorum that is never reached',
    why: 'The quorum is held against the sum of the weights of servers that are up. It is larger than all of them together: the service counts as down from the beginning, and the sorry server answers for ever.',
    remedy: 'Lower the quorum, or raise the weights.',
    source: `${MAN}, quorum`,
    bad: service({ more: 'quorum 2' }),
    good: service({ more: 'quorum 1' }),
    *check(confs) {
      for (const one of virtualServers(confs)) {
        const quorum = last(one, 'quorum');
        const sum = within(one, 'real_server').reduce((all, each) => all + weightOf(each), 0);
        if (quorum === undefined || sum === 0 || Number(value(quorum)) <= sum) continue;
        yield { place: quorum.place, what: `the quorum is ${value(quorum)}, and all weights together are ${sum}` };
      }
    },
  },
  {
    code: 'LVS-CONF-007',
    severity: 'warning',
    title: 'a hysteresis that the quorum has no room for',
    why: 'The service counts as down below quorum minus hysteresis. Where that is 0 or less it never does; keepalived sets another value.',
    remedy: 'Use a hysteresis below the quorum.',
    source: `${SEEN}: “hysteresis 10 >= quorum 9; setting hysteresis to 8”`,
    bad: service({ more: 'hysteresis 1' }),
    good: service({ more: 'quorum 2\nhysteresis 1', real: real('192.0.2.11 80', 'weight 2') }),
    *check(confs) {
      for (const one of virtualServers(confs)) {
        const hysteresis = last(one, 'hysteresis');
        const quorum = Number(value(last(one, 'quorum')) ?? 1);
        if (hysteresis === undefined || Number(value(hysteresis)) < quorum) continue;
        yield { place: hysteresis.place, what: `the hysteresis is ${value(hysteresis)}, and the quorum ${quorum}` };
      }
    },
  },
  {
    code: 'LVS-CONF-008',
    severity: 'warning',
    title: 'a protocol for a firewall mark',
    why: 'Which packets belong to a service by mark is decided by the firewall that sets it. A protocol here does nothing, and hides that from the reader.',
    remedy: 'Leave protocol out, and see that the rule which sets the mark asks for it.',
    source: `${MAN}, virtual_server fwmark; ipvsadm(8), -f`,
    bad: service({ at: 'fwmark 7', real: real('192.0.2.11') }),
    good: service({ at: 'fwmark 7', protocol: '', real: real('192.0.2.11') }),
    *check(confs) {
      for (const one of virtualServers(confs)) {
        const protocol = last(one, 'protocol');
        if (byMark(one) && protocol !== undefined)
          yield { place: protocol.place, what: `${heading(one)} says a protocol, and a mark has none` };
      }
    },
  },
  {
    code: 'LVS-CONF-009',
    severity: 'error',
    title: 'one-packet scheduling without UDP',
    why: 'ops schedules each datagram by itself. The packets of one TCP or SCTP connection would go to several servers; the kernel takes it for UDP alone.',
    remedy: 'Leave ops out.',
    source: 'ipvsadm(8), --ops',
    bad: service({ more: 'ops' }),
    good: service({
      protocol: 'protocol UDP',
      more: 'ops',
      real: real('192.0.2.11 80', 'weight 1', 'PING_CHECK { retry 1 }'),
    }),
    *check(confs) {
      for (const one of virtualServers(confs)) {
        const ops = last(one, 'ops');
        if (ops === undefined || byMark(one) || protocolOf(one) === 'udp') continue;
        yield { place: ops.place, what: `ops in a service over ${protocolOf(one)}` };
      }
    },
  },
  {
    code: 'LVS-CONF-010',
    severity: 'warning',
    title: 'clients of a server that is out are refused',
    why: 'With the scheduler sh a client belongs to one server by its address. While that one has weight 0 its clients are refused, though others could serve them.',
    remedy: 'Add sh-fallback.',
    source: 'ipvsadm(8), --sched-flags; net/netfilter/ipvs/ip_vs_sh.c',
    bad: service({ scheduler: 'lvs_sched sh' }),
    good: service({ scheduler: 'lvs_sched sh\nsh-fallback' }),
    *check(confs) {
      for (const one of virtualServers(confs)) {
        const scheduler = last(one, 'lvs_sched', 'lb_algo');
        if (value(scheduler) !== 'sh' || last(one, 'sh-fallback', 'flag-1') !== undefined || scheduler === undefined)
          continue;
        yield { place: scheduler.place, what: 'sh without sh-fallback' };
      }
    },
  },
  {
    code: 'LVS-CONF-011',
    severity: 'error',
    title: 'every real server has weight 0',
    why: 'A server of weight 0 gets no new connections. With all of them at 0 nobody is answered.',
    remedy: 'Give at least one a weight.',
    source: 'ipvsadm(8), --weight',
    bad: service({ real: real('192.0.2.11 80', 'weight 0') }),
    good: service({}),
    *check(confs) {
      for (const one of virtualServers(confs)) {
        const reals = within(one, 'real_server');
        if (reals.length > 0 && reals.every((each) => weightOf(each) === 0))
          yield { place: one.place, what: `no real server of ${heading(one)} has a weight` };
      }
    },
  },
  {
    code: 'LVS-CONF-012',
    severity: 'error',
    title: 'a weight that IPVS can’t have',
    why: 'Weights are whole numbers from 0 to 65535. keepalived puts another one in the place of what is not.',
    remedy: 'Use a whole number between these.',
    source: 'ipvsadm(8), --weight',
    bad: service({ real: real('192.0.2.11 80', 'weight 70000') }),
    good: service({ real: real('192.0.2.11 80', 'weight 60000') }),
    *check(confs) {
      for (const one of virtualServers(confs)) {
        for (const weight of within(one, 'real_server').flatMap((each) => within(each, 'weight'))) {
          const text = value(weight) ?? '';
          if (/^\d+$/.test(text) && Number(text) <= 65535) continue;
          yield { place: weight.place, what: `“${text}” is no weight from 0 to 65535` };
        }
      }
    },
  },
  {
    code: 'LVS-CONF-013',
    severity: 'warning',
    title: 'FTP whose second connection may go elsewhere',
    why: 'FTP opens a second connection for the data. Without persistence it may be scheduled to another server, which knows nothing of the first.',
    remedy: 'Add persistence_timeout, best on a firewall mark that holds the data ports too.',
    source: 'ipvsadm(8), persistent',
    bad: service({ at: '192.0.2.100 21', real: real('192.0.2.11 21') }),
    good: service({ at: '192.0.2.100 21', more: 'persistence_timeout 300', real: real('192.0.2.11 21') }),
    *check(confs) {
      for (const one of virtualServers(confs)) {
        const method = methodOf(one);
        if (value(one, 2) !== '21' || protocolOf(one) !== 'tcp' || last(one, 'persistence_timeout') !== undefined)
          continue;
        if (method === 'DR' || method === 'TUN')
          yield { place: one.place, what: `${heading(one)} is FTP over ${method} without persistence` };
      }
    },
  },
  {
    code: 'LVS-CONF-014',
    severity: 'warning',
    title: 'persistence without a time',
    why: 'Without a number keepalived takes 360 seconds, and ipvsadm 300. Two directors, or one before and after a change of tools, then differ.',
    remedy: 'Write the seconds: persistence_timeout 300.',
    source: `${MAN}, persistence_timeout; ipvsadm(8), --persistent`,
    bad: service({ more: 'persistence_timeout' }),
    good: service({ more: 'persistence_timeout 300' }),
    *check(confs) {
      for (const one of virtualServers(confs)) {
        const said = last(one, 'persistence_timeout');
        if (said !== undefined && value(said) === undefined)
          yield { place: said.place, what: 'persistence_timeout says no time: keepalived takes 360 s' };
      }
    },
  },
  {
    code: 'LVS-CONF-015',
    severity: 'error',
    title: 'a scheduler that there is not',
    why: 'The kernel looks for a module of that name, finds none, and refuses the service.',
    remedy: `Use one of ${SCHEDULERS.join(', ')}.`,
    source: 'ipvsadm(8), --scheduler; net/netfilter/ipvs',
    bad: service({ scheduler: 'lvs_sched wr' }),
    good: service({}),
    *check(confs) {
      for (const one of virtualServers(confs)) {
        const said = last(one, 'lvs_sched', 'lb_algo');
        const name = value(said);
        if (said === undefined || SCHEDULERS.some((each) => each === name)) continue;
        yield { place: said.place, what: `there is no scheduler “${name ?? ''}”` };
      }
    },
  },
  {
    code: 'LVS-CONF-016',
    severity: 'error',
    title: 'a flag of another scheduler',
    why: 'sh-port and sh-fallback mean something to sh alone, mh-port and mh-fallback to mh. To another one the same bits mean nothing, or something else.',
    remedy: 'Leave the flag out, or use its scheduler.',
    source: 'ipvsadm(8), --sched-flags',
    bad: service({ scheduler: 'lvs_sched wrr\nsh-port' }),
    good: service({ scheduler: 'lvs_sched sh\nsh-port\nsh-fallback' }),
    *check(confs) {
      for (const one of virtualServers(confs)) {
        const scheduler = schedulerOf(one) ?? 'wlc';
        for (const flag of within(one, ...SCHEDULER_FLAGS)) {
          const name = value(flag, 0) ?? '';
          if (!name.startsWith(`${scheduler}-`))
            yield { place: flag.place, what: `${name} with the scheduler ${scheduler}` };
        }
      }
    },
  },
  {
    code: 'LVS-CONF-017',
    severity: 'error',
    title: 'another port behind a director that rewrites none',
    why: 'With DR and TUN packets arrive as the client sent them, on the service’s port. keepalived sets the real server’s port to it and says so in its log alone.',
    remedy: 'Write the service’s port, or use NAT.',
    source: `${SEEN}: “ports don't match - resetting”; ipvsadm(8)`,
    bad: service({ real: real('192.0.2.11 8080') }),
    good: service({ method: 'lvs_method NAT', real: real('192.0.2.11 8080') }),
    *check(confs) {
      for (const one of virtualServers(confs)) {
        if (byMark(one) || value(one) === 'group') continue;
        for (const server of within(one, 'real_server')) {
          const method = methodOf(server) ?? methodOf(one);
          const [own, port] = [value(one, 2) ?? '0', value(server, 2) ?? '0'];
          if ((method !== 'DR' && method !== 'TUN') || port === own || port === '0') continue;
          yield { place: server.place, what: `${method} to port ${port} of a service on port ${own}` };
        }
      }
    },
  },
  {
    code: 'LVS-CONF-018',
    severity: 'error',
    title: 'a real server of the other family',
    why: 'IPv4 packets can’t be sent to an IPv6 server, nor the other way round; through a tunnel alone the outer packet may be of the other family.',
    remedy: 'Give the server’s address of the service’s family, or use TUN.',
    source: MAN,
    bad: service({ real: real('2001:db8::11 80') }),
    good: service({ at: '2001:db8::100 80', real: real('2001:db8::11 80') }),
    *check(confs) {
      for (const one of virtualServers(confs)) {
        const family = parseAddress(value(one) ?? '')?.family;
        for (const server of family === undefined ? [] : within(one, 'real_server')) {
          const own = parseAddress(value(server) ?? '')?.family;
          if (own === undefined || own === family || (methodOf(server) ?? methodOf(one)) === 'TUN') continue;
          yield { place: server.place, what: `an IPv${own} server of an IPv${family} service` };
        }
      }
    },
  },
  {
    code: 'LVS-CONF-019',
    severity: 'warning',
    title: 'a real server that nobody checks',
    why: 'Without a check keepalived never takes a server out: its clients go on being sent to it when it is down.',
    remedy: 'Add a check: TCP_CHECK { connect_timeout 3 }, or one that speaks to the service.',
    source: `${MAN}, real_server`,
    bad: service({ real: real('192.0.2.11 80', 'weight 1', '') }),
    good: service({}),
    *check(confs) {
      for (const one of virtualServers(confs)) {
        for (const server of within(one, 'real_server')) {
          if (within(server, ...CHECKS).length > 0) continue;
          // Words in capitals are checks there, and nothing else.
          const odd = (server.body ?? []).find(({ words }) => /^[A-Z][A-Z_]+$/.test(words[0]?.text ?? ''));
          const word = odd?.words[0]?.text;
          const meant = word === undefined ? undefined : suggest(word, CHECKS);
          yield {
            place: (odd ?? server).place,
            what: `${heading(server)} has no check${word === undefined ? '' : `: keepalived knows no ${word}`}${meant === undefined ? '' : `; did you mean ${meant}?`}`,
          };
        }
      }
    },
  },
  {
    code: 'LVS-CONF-020',
    severity: 'error',
    title: 'a tunnel that can’t be so',
    why: 'gue needs the port that the real server unwraps on; ipip has no checksum, and gre none that is remote.',
    remedy: 'Write lvs_method TUN type gue port 6080, or leave the checksum out.',
    source: `${MAN}, lvs_method`,
    bad: service({ method: 'lvs_method TUN type gue' }),
    good: service({ method: 'lvs_method TUN type gue port 6080' }),
    *check(confs) {
      for (const one of virtualServers(confs)) {
        for (const said of [one, ...within(one, 'real_server')].flatMap((each) =>
          within(each, 'lvs_method', 'lb_kind'),
        )) {
          const wrong = tunnelMistake(said.words.map(({ text }) => text));
          if (wrong !== undefined) yield { place: said.place, what: wrong };
        }
      }
    },
  },
  {
    code: 'LVS-CONF-021',
    severity: 'info',
    title: 'a virtual server without scheduler',
    why: 'keepalived takes wlc where nothing is said. That is a choice too, but not one that anybody made.',
    remedy: 'Write lvs_sched.',
    source: `${SEEN}: “no scheduler set, setting default 'wlc'”`,
    bad: service({ scheduler: '' }),
    good: service({}),
    *check(confs) {
      for (const one of virtualServers(confs)) {
        if (schedulerOf(one) === undefined)
          yield { place: one.place, what: `${heading(one)} says no scheduler: keepalived takes wlc` };
      }
    },
  },
];

function socketOf(one: Statement): string {
  const address = value(one) ?? '';
  return `${parseAddress(address)?.address ?? address} ${value(one, 2) ?? '0'}`;
}

/** Statements that have a key in common with an earlier one. */
export function* twins(statements: readonly Statement[], key: (one: Statement) => string): Iterable<ConfFound> {
  const first = new Map<string, Statement>();
  for (const one of statements) {
    const earlier = first.get(key(one));
    if (earlier === undefined) first.set(key(one), one);
    else {
      yield {
        place: one.place,
        what: `${heading(one)} stands here a second time`,
        also: { place: earlier.place, says: 'the first one' },
      };
    }
  }
}

function tunnelMistake(words: readonly string[]): string | undefined {
  if (words[1]?.toUpperCase() !== 'TUN') return undefined;
  const type = words.includes('type') ? words[words.indexOf('type') + 1] : 'ipip';
  const sum = words.find((one) => one === 'csum' || one === 'remcsum');
  if (type === 'gue') return words.includes('port') ? undefined : 'a gue tunnel without port';
  if (type === 'ipip') return sum === undefined ? undefined : `an ipip tunnel with ${sum}`;
  if (type === 'gre') return sum === 'remcsum' ? 'a gre tunnel with remcsum' : undefined;
  return `there is no tunnel of type “${type ?? ''}”`;
}
