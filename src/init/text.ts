/** The inventory that answers make: with words for those who go on from there. */
import type { Answers, HostAnswer } from './answers.ts';

/** Pure. */
export function inventoryText(answers: Answers): string {
  const { name, directors } = answers;
  const pair = directors.length > 1;
  return `${[
    '# Written by lvsctl init. Check it: lvsctl validate. See what it would do: lvsctl plan.',
    'version: 1',
    `name: ${name}`,
    '',
    ...hosts(answers),
    ...(pair ? ['', ...vrrp(answers)] : []),
    '',
    ...services(answers),
  ].join('\n')}\n`;
}

/** An address with a colon means something else to some readers of YAML. */
function quoted(address: string): string {
  return address.includes(':') ? `"${address}"` : address;
}

function hosts(answers: Answers): string[] {
  const { directors, realServers, mode } = answers;
  return [
    'hosts:',
    '  # Directors hold the VIP and pass requests on. lvsctl reaches a host at its first address;',
    '  # ssh: { address: …, user: …, port: … } says otherwise.',
    ...directors.map((one) => host(one, answers.interface, answers)),
    `  # Real servers serve.${GATEWAY[mode]}`,
    ...realServers.map((one) => host(one, mode === 'nat' ? answers.insideInterface : answers.interface, answers)),
  ];
}

const GATEWAY: Readonly<Record<Answers['mode'], string>> = {
  dr: ' Their replies go straight to the client: their gateway is the router, not a director.',
  tun: ' Their replies go straight to the client: their gateway is their own router.',
  nat: ' Their replies pass the director: it is their gateway, where none is said.',
  fullnat: ' To them all requests come from the director.',
};

function host({ name, address, gateway, inside }: HostAnswer, device: string, { insideInterface }: Answers): string {
  const way = gateway === undefined ? '' : `, gateway: ${quoted(gateway)}`;
  const second = inside === undefined ? '' : `, ${insideInterface}: { addresses: [${quoted(inside)}] }`;
  return `  ${name}: { interfaces: { ${device}: { addresses: [${quoted(address)}]${way} }${second} } }`;
}

function vrrp({ directors, vip, interface: device, insideInterface, insideVip }: Answers): string[] {
  const nodes = directors.map(({ name }, index) => `${name}: { priority: ${100 - 10 * index} }`);
  // Version 3, which IPv6 alone needs, has no password.
  const password = vip.includes(':')
    ? []
    : ['    auth_pass: { env: LVS_VRRP_PASS }   # a secret, at most eight characters, from the environment'];
  const inside =
    insideVip === undefined
      ? []
      : [
          '      # The real servers’ gateway moves with the VIP.',
          `      inside: { virtual_router_id: 52, interface: ${insideInterface}, addresses: [${quoted(insideVip)}] }`,
        ];
  return [
    '# The directors share the VIP: who has the highest priority is master.',
    'vrrp:',
    '  pair:',
    `    nodes: { ${nodes.join(', ')} }`,
    '    preempt: false                          # a node that comes back stays backup',
    ...password,
    '    instances:',
    '      # The number must be nobody else’s on that wire.',
    `      outside: { virtual_router_id: 51, interface: ${device} }`,
    ...inside,
    '',
    'vips:',
    `  site: { addresses: [${quoted(vip)}], vrrp: pair.outside }`,
  ];
}

function services({ directors, realServers, mode, vip, port, checkPath }: Answers): string[] {
  const [only, second] = directors;
  const check = checkPath === undefined ? 'tcp_check: {}' : `http_get: { path: "${checkPath}" }`;
  return [
    'services:',
    '  web:',
    `    mode: ${mode}`,
    `    vip: ${second === undefined ? quoted(vip) : 'site'}`,
    '    protocol: tcp',
    `    port: ${port}`,
    '    scheduler: wlc                          # or rr, wrr, lc, sh, mh …',
    ...(second === undefined ? [`    directors: [${only?.name ?? ''}]`] : []),
    `    real_servers: { ${realServers.map(({ name }) => `${name}: {}`).join(', ')} }   # weight: 1, where nothing is said`,
    `    health_check: { ${check}, interval: 6, timeout: 3, retries: 3 }`,
  ];
}
