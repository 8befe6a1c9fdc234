import { afterAll, beforeAll, expect, test } from 'vitest';
import { resolve } from '../../src/path/arp.ts';
import type { Net } from '../../src/path/net.ts';
import { type Namespace, namespace } from '../resources/namespaces.ts';
import { cidr } from './change.ts';

/** Who answers ARP, and in whose name it is asked: the model beside this machine's kernel, for every pair of values. */

const [OWN, VIP, ASKER] = ['10.7.0.2', '10.7.0.100', '10.7.0.1'];
const VALUES = [0, 1, 2, 3, 8];
const ON_ALL = [0, 1, 2];

let asker: Namespace;
let host: Namespace;
beforeAll(async () => {
  asker = await namespace();
  host = await namespace(asker);
  asker.run(`ip link add name near type veth peer name far netns ${host.pid}
ip addr add ${ASKER}/24 dev near; ip link set near up`);
  // Three questions of a fiftieth of a second each in place of three seconds.
  asker.run('echo 20 >/proc/sys/net/ipv4/neigh/near/retrans_time_ms');
  host.run(`ip addr add ${OWN}/24 dev far; ip addr add ${VIP}/32 dev lo; ip link set far up`);
});
afterAll(() => {
  host?.end();
  asker?.end();
});

function modelOf(parameter: string, all: number, own: number): Net {
  const sysctls = { [`net.ipv4.conf.all.${parameter}`]: `${all}`, [`net.ipv4.conf.far.${parameter}`]: `${own}` };
  const nothing = { routes: [], neighbours: [], ipvs: [], tunnels: [], silenced: [], rules: [], listens: [] };
  const filter = { input: 'open', forward: 'open' } as const;
  const lo = (...more: string[]) => ({ name: 'lo', mtu: 65536, addresses: ['127.0.0.1/8', ...more].map(cidr) });
  const wired = (name: string, address: string) => ({ name, segment: 's', mtu: 1500, addresses: [cidr(address)] });
  return {
    hosts: [
      { name: 'asker', devices: [lo(), wired('near', `${ASKER}/24`)], sysctls: {}, filter, ...nothing },
      { name: 'host', devices: [lo(`${VIP}/32`), wired('far', `${OWN}/24`)], sysctls, filter, ...nothing },
    ],
  };
}

function asked(net: Net, from: 'asker' | 'host', address: string, sender: string) {
  const one = net.hosts.find(({ name }) => name === from);
  const device = one?.devices[1];
  if (one === undefined || device === undefined) throw new Error(`no host ${from}`);
  return resolve(net, one, device, address, sender);
}

/** Sends a datagram from an address: somebody has to be asked for the other one's. */
const send = (from: string, to: string) =>
  `perl -MIO::Socket::INET -e 'IO::Socket::INET->new(Proto => "udp", LocalAddr => "${from}", PeerAddr => "${to}:9")->send("x")'`;

const pairs = [...ON_ALL.flatMap((all) => VALUES.map((own) => [all, own] as const)), [1, 4] as const, [1, 9] as const];

/** Runs the script once for each pair of values, all in one shell; the words that each of them prints. */
function perPair(parameter: string, script: (there: string) => string): string[][] {
  const there = `nsenter -t ${host.pid} -n sh -c`;
  const each = pairs.map(
    ([
      all,
      own,
    ]) => `${there} 'echo ${all} >$0/all/${parameter}; echo ${own} >$0/far/${parameter}' /proc/sys/net/ipv4/conf
${script(there)}
echo`,
  );
  return asker
    .run(each.join('\n'))
    .trimEnd()
    .split('\n')
    .map((line) => line.trim().split(' '));
}

const has = (address: string) => `ip neigh show to ${address} dev near | grep -q lladdr && printf '${address} '`;

test('arp_ignore: a kernel answers for what the model says', () => {
  const answered = perPair(
    'arp_ignore',
    () =>
      `ip neigh flush dev near; ${send(ASKER, OWN)}; ${send(ASKER, VIP)}
${[OWN, VIP].map((address) => `until ip neigh show to ${address} dev near | grep -Eq 'lladdr|FAILED'; do sleep 0.02; done; ${has(address)}`).join('\n')}`,
  );
  const model = pairs.map(([all, own]) => {
    const net = modelOf('arp_ignore', all, own);
    return [OWN, VIP].filter((address) => asked(net, 'asker', address, ASKER).answers.length > 0).join(' ');
  });
  expect(answered.map((words, at) => [...(pairs[at] ?? []), words.join(' ')])).toEqual(
    pairs.map((pair, at) => [...pair, model[at]]),
  );
});

test('arp_announce: a kernel asks in the name that the model says', () => {
  // It answers nothing meanwhile: whoever is asked remembers in whose name that was, and nothing else.
  host.run('for device in all far; do echo 8 >/proc/sys/net/ipv4/conf/$device/arp_ignore; done');
  const named = perPair(
    'arp_announce',
    (there) =>
      `ip neigh flush dev near; ${there} 'ip neigh flush dev far; eval "$0"; until ip neigh show to ${ASKER} dev far | grep -q lladdr; do sleep 0.02; done' ${JSON.stringify(send(VIP, ASKER)).replaceAll('$', '\\$')}
${has(OWN)}; ${has(VIP)}`,
  );
  const model = pairs.map(([all, own]) => asked(modelOf('arp_announce', all, own), 'host', ASKER, VIP).sender);
  expect(named.map((words, at) => [...(pairs[at] ?? []), words.join(' ')])).toEqual(
    pairs.map((pair, at) => [...pair, model[at]]),
  );
});
