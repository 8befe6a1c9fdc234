import { heading, type KeepalivedConf, type Statement } from '../../conf/keepalived.ts';
import { parseAddress } from '../../inventory/addresses.ts';
import { instance, real, service } from './examples.ts';
import { type ConfFound, type ConfRule, last, SECOND_FILE, top, value, within } from './rule.ts';
import { advertised, passwordOf, versionOf } from './vrrp.ts';

const MAN = 'keepalived.conf(5)';

/** One thing on two nodes. */
interface Both {
  first: { conf: KeepalivedConf; one: Statement };
  second: { conf: KeepalivedConf; one: Statement };
}

/** Instances of two nodes that are one virtual router: by name, else by number. */
function* routers(confs: readonly KeepalivedConf[]): Iterable<Both> {
  yield* both(confs, 'vrrp_instance', (a, b) => value(a) === value(b) || idOf(a) === idOf(b));
}

function* services(confs: readonly KeepalivedConf[]): Iterable<Both> {
  const key = (one: Statement) => `${heading(one)} ${value(last(one, 'protocol'))?.toLowerCase()}`;
  yield* both(confs, 'virtual_server', (a, b) => key(a) === key(b));
}

/** Each node's is held against the first node's. */
function* both(
  confs: readonly KeepalivedConf[],
  keyword: string,
  same: (a: Statement, b: Statement) => boolean,
): Iterable<Both> {
  const [first, ...others] = confs;
  if (first === undefined) return;
  for (const second of others) {
    for (const one of top(second, keyword)) {
      const twin = top(first, keyword).find((each) => same(each, one));
      if (twin !== undefined) yield { first: { conf: first, one: twin }, second: { conf: second, one } };
    }
  }
}

const idOf = (one: Statement): string => value(last(one, 'virtual_router_id')) ?? '';

/** A finding where what one node says differs from what the other does. */
function* differing(
  pairs: Iterable<Both>,
  what: string,
  said: (one: Statement, conf: KeepalivedConf) => { text: string; place: ConfFound['place'] },
): Iterable<ConfFound> {
  for (const { first, second } of pairs) {
    const [a, b] = [said(first.one, first.conf), said(second.one, second.conf)];
    if (a.text === b.text) continue;
    yield {
      place: b.place,
      what: `${what} of ${heading(second.one)} is ${b.text}, and ${a.text} on the other node`,
      also: { place: a.place, says: a.text },
    };
  }
}

const keyOr = (keyword: string, fallback: string) => (one: Statement) => {
  const said = last(one, keyword);
  return { text: value(said) ?? fallback, place: (said ?? one).place };
};

const pair = (first: string, second: string): string => `${first}${SECOND_FILE}${second}`;
const backup = { priority: 'priority 90' };

/** What two nodes must have in common, and what not. */
export const CONF_PAIR: readonly ConfRule[] = [
  {
    code: 'LVS-CONF-201',
    severity: 'error',
    title: 'nodes with other lists of VIPs',
    why: 'An advert holds the number of addresses, and in multicast the addresses. A node refuses one that differs from its own list and becomes master too: both hold the VIPs.',
    remedy:
      'Give all nodes the same virtual_ipaddress; what differs for a time belongs into virtual_ipaddress_excluded.',
    source: `${MAN}, virtual_ipaddress; acassen/keepalived issue 1603`,
    bad: pair(instance({}), instance({ ...backup, addresses: '192.0.2.100\n192.0.2.101' })),
    good: pair(instance({}), instance(backup)),
    check: (confs) =>
      differing(routers(confs), 'the list of addresses', (one) => ({
        text: advertised(one).toSorted().join(', ') || 'empty',
        place: (last(one, 'virtual_ipaddress') ?? one).place,
      })),
  },
  {
    code: 'LVS-CONF-202',
    severity: 'error',
    title: 'nodes with other intervals',
    why: 'In version 2 a node refuses adverts with another interval than its own, and becomes master too.',
    remedy: 'Use one advert_int on all nodes.',
    source: `${MAN}, advert_int; RFC 3768, section 7.1`,
    bad: pair(instance({ more: 'advert_int 2' }), instance(backup)),
    good: pair(instance({ more: 'advert_int 2' }), instance({ ...backup, more: 'advert_int 2' })),
    check: (confs) => differing(routers(confs), 'advert_int', keyOr('advert_int', '1')),
  },
  {
    code: 'LVS-CONF-203',
    severity: 'error',
    title: 'nodes with other versions or passwords',
    why: 'A node refuses adverts of another version, or with another password, and becomes master too.',
    remedy: 'Use one version and one password on all nodes.',
    source: 'RFC 3768, section 7.1',
    bad: pair(instance({ more: 'version 3' }), instance(backup)),
    good: pair(instance({ more: 'version 3' }), instance({ ...backup, more: 'version 3' })),
    *check(confs) {
      yield* differing(routers(confs), 'the version', (one, conf) => ({
        text: String(versionOf(conf, one)),
        place: (last(one, 'version') ?? one).place,
      }));
      for (const { first, second } of routers(confs)) {
        const [a, b] = [passwordOf(first.one), passwordOf(second.one)];
        // What they are is nobody's business.
        if (value(a)?.slice(0, 8) !== value(b)?.slice(0, 8))
          yield {
            place: (b ?? second.one).place,
            what: `the password of ${heading(second.one)} differs from the other node’s`,
            also: { place: (a ?? first.one).place, says: 'the other one' },
          };
      }
    },
  },
  {
    code: 'LVS-CONF-204',
    severity: 'error',
    title: 'one instance with two numbers',
    why: 'Nodes know each other by virtual_router_id. With two numbers neither hears the other: both are master.',
    remedy: 'Use one virtual_router_id on all nodes.',
    source: 'RFC 5798, section 5.2.3',
    bad: pair(instance({}), instance({ ...backup, id: 'virtual_router_id 15' })),
    good: pair(instance({}), instance(backup)),
    check: (confs) => differing(routers(confs), 'virtual_router_id', keyOr('virtual_router_id', 'missing')),
  },
  {
    code: 'LVS-CONF-205',
    severity: 'warning',
    title: 'two nodes with one priority',
    why: 'Of equals the one with the higher address becomes master. That is a choice too, but not one that anybody made.',
    remedy: 'Give each node a priority of its own, for example 100 and 90.',
    source: 'RFC 5798, section 6.4.3',
    bad: pair(instance({}), instance({})),
    good: pair(instance({}), instance(backup)),
    *check(confs) {
      const of = keyOr('priority', '100');
      for (const { first, second } of routers(confs)) {
        const [a, b] = [of(first.one), of(second.one)];
        if (a.text === b.text)
          yield {
            place: b.place,
            what: `both nodes have priority ${b.text} in ${heading(second.one)}`,
            also: { place: a.place, says: 'the other node' },
          };
      }
    },
  },
  {
    code: 'LVS-CONF-206',
    severity: 'error',
    title: 'peers that don’t name each other',
    why: 'Adverts by unicast reach those that are named alone. A node that isn’t, or that sends from another address than the one its peer expects, is not heard: both are master.',
    remedy: 'On each node, name its own address in unicast_src_ip and those of all others in unicast_peer.',
    source: `${MAN}, unicast_peer`,
    bad: pair(
      instance({ more: 'unicast_src_ip 192.0.2.1\nunicast_peer {\n    192.0.2.2\n}' }),
      instance({ ...backup, more: 'unicast_src_ip 192.0.2.2\nunicast_peer {\n    192.0.2.3\n}' }),
    ),
    good: pair(
      instance({ more: 'unicast_src_ip 192.0.2.1\nunicast_peer {\n    192.0.2.2\n}' }),
      instance({ ...backup, more: 'unicast_src_ip 192.0.2.2\nunicast_peer {\n    192.0.2.1\n}' }),
    ),
    *check(confs) {
      for (const { first, second } of routers(confs)) {
        yield* unheard(first.one, second.one);
        yield* unheard(second.one, first.one);
      }
    },
  },
  {
    code: 'LVS-CONF-207',
    severity: 'error',
    title: 'persistence on one node alone',
    why: 'Clients that stay with their server on one director are scattered by the other: after a takeover sessions are lost, and what the nodes tell each other of connections doesn’t fit.',
    remedy: 'Use the same persistence_timeout on all nodes.',
    source: `${MAN}, persistence_timeout`,
    bad: pair(service({ more: 'persistence_timeout 50' }), service({})),
    good: pair(service({ more: 'persistence_timeout 50' }), service({ more: 'persistence_timeout 50' })),
    check: (confs) =>
      differing(services(confs), 'persistence_timeout', (one) => {
        const said = last(one, 'persistence_timeout');
        return { text: said === undefined ? 'none' : (value(said) ?? '360'), place: (said ?? one).place };
      }),
  },
  {
    code: 'LVS-CONF-208',
    severity: 'error',
    title: 'a service that one node doesn’t have',
    why: 'When that node is master the VIP is there, and what is sent to it is answered by a reset: it has no rule for it.',
    remedy: 'Give all nodes the same virtual servers.',
    source: `${MAN}, virtual_server`,
    bad: pair(`${service({})}${service({ at: '192.0.2.100 443', real: real('192.0.2.11 443') })}`, service({})),
    good: pair(service({}), service({})),
    *check(confs) {
      for (const conf of confs) {
        for (const one of top(conf, 'virtual_server')) {
          const without = confs.find(
            (each) => each !== conf && !top(each, 'virtual_server').some((other) => heading(other) === heading(one)),
          );
          if (without !== undefined)
            yield { place: one.place, what: `${heading(one)} is not in ${without.files[0] ?? 'the other file'}` };
        }
      }
    },
  },
  {
    code: 'LVS-CONF-209',
    severity: 'warning',
    title: 'nodes that spread work otherwise',
    why: 'After a takeover other servers get the work, or in other shares, and nobody knows why.',
    remedy: 'Give all nodes the same scheduler, method, real servers and weights.',
    source: `${MAN}, real_server`,
    bad: pair(service({}), service({ real: real('192.0.2.11 80', 'weight 3') })),
    good: pair(service({}), service({})),
    check: (confs) => differing(services(confs), 'the way', (one) => ({ text: spread(one), place: one.place })),
  },
  {
    code: 'LVS-CONF-210',
    severity: 'warning',
    title: 'two nodes that begin as master',
    why: 'Each takes the addresses when it starts, and gives them up when it hears the other: for a moment both have them.',
    remedy: 'Write state BACKUP on all nodes; the priority decides.',
    source: `${MAN}, state`,
    bad: pair(instance({ state: 'state MASTER' }), instance({ ...backup, state: 'state MASTER' })),
    good: pair(instance({}), instance(backup)),
    *check(confs) {
      for (const { first, second } of routers(confs)) {
        const [a, b] = [last(first.one, 'state'), last(second.one, 'state')];
        if (a !== undefined && b !== undefined && value(a) === 'MASTER' && value(b) === 'MASTER')
          yield {
            place: b.place,
            what: `both nodes begin ${heading(second.one)} as MASTER`,
            also: { place: a.place, says: 'the other node' },
          };
      }
    },
  },
];

const text = (address: string | undefined): string => parseAddress(address ?? '')?.address ?? '';

/** Where one node doesn't send its adverts to the other. */
function* unheard(speaker: Statement, listener: Statement): Iterable<ConfFound> {
  const peers = last(speaker, 'unicast_peer');
  const theirs = last(listener, 'unicast_peer');
  if (peers === undefined && theirs === undefined) return;
  if (peers === undefined) {
    yield { place: speaker.place, what: `${heading(speaker)} sends by multicast, and its peer expects unicast` };
    return;
  }
  const source = last(listener, 'unicast_src_ip', 'mcast_src_ip');
  const named = (peers.body ?? []).map((one) => text(value(one, 0)));
  if (source === undefined || named.includes(text(value(source)))) return;
  yield {
    place: peers.place,
    what: `unicast_peer doesn’t name ${value(source)}, from which the other node sends`,
    also: { place: source.place, says: 'the other node’s address' },
  };
}

/** Scheduler, method and shares of a service, in words. */
function spread(one: Statement): string {
  const reals = within(one, 'real_server').map(
    (each) => `${text(value(each))}:${value(each, 2) ?? 0} weight ${value(last(each, 'weight')) ?? 1}`,
  );
  return [
    value(last(one, 'lvs_sched', 'lb_algo')) ?? 'wlc',
    value(last(one, 'lvs_method', 'lb_kind')) ?? 'NAT',
    ...reals.toSorted(),
  ].join(', ');
}
