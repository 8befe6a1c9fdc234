import { type Address, cidrText, holds, networkOf, notAHost, parseAddress, parseCidr } from './addresses.ts';
import type { Path } from './document.ts';
import type { Findings } from './findings.ts';
import type { Cidr, Interface, Link, Route } from './model.ts';
import type { InventoryInterface } from './schema.ts';

const CIDR_NEXT = 'Write it as ADDRESS/PREFIX, for example 30.30.30.20/24 or 2001:db8::2/64.';
const ADDRESS_NEXT = 'Write four decimal numbers from 0 to 255, or an IPv6 address.';

/** Parses an interface; its segment is left empty, as it depends on the others. */
export function resolveInterface(name: string, said: InventoryInterface, path: Path, findings: Findings): Interface {
  const addresses = (said.addresses ?? []).flatMap((text, index) =>
    hostAddress(text, [...path, 'addresses', index], findings),
  );
  const complete = addresses.length === (said.addresses ?? []).length;
  const connected = (address: Address) =>
    !complete || addresses.some((own) => holds(own, address)) || isLinkLocal(address);
  const gateways: Interface['gateways'] = {};
  const listed = Array.isArray(said.gateway);
  for (const [index, text] of (said.gateway === undefined ? [] : [said.gateway].flat()).entries()) {
    const place = listed ? [...path, 'gateway', index] : [...path, 'gateway'];
    const gateway = anAddress(text, place, findings);
    if (gateway === undefined) continue;
    const family = gateway.family === 4 ? 'v4' : 'v6';
    if (gateways[family] !== undefined) {
      findings.add(
        place,
        'INV-SECOND-GATEWAY',
        `${text} is a second IPv${gateway.family} gateway of ${name}`,
        'Keep one; for other networks use routes.',
      );
    } else if (addresses.some((own) => own.address === gateway.address)) {
      findings.add(
        place,
        'INV-GATEWAY-IS-SELF',
        `the gateway ${text} is ${name}’s own address`,
        'Name the router’s address.',
      );
    } else if (!connected(gateway)) {
      findings.add(
        place,
        'INV-GATEWAY-UNREACHABLE',
        `the gateway ${text} is in no network of ${name}`,
        networksNext(addresses),
      );
    }
    gateways[family] = gateway.address;
  }
  const routes = (said.routes ?? []).flatMap((route, index) =>
    resolveRoute(route, [...path, 'routes', index], connected, addresses, findings),
  );
  const dns = (said.dns ?? []).flatMap(
    (text, index) => anAddress(text, [...path, 'dns', index], findings)?.address ?? [],
  );
  return {
    name,
    link: linkOf(name, said, path, findings),
    addresses,
    gateways,
    routes,
    dns,
    ...(said.mtu === undefined ? {} : { mtu: said.mtu }),
    segment: said.segment ?? '',
  };
}

function linkOf(name: string, said: InventoryInterface, path: Path, findings: Findings): Link {
  const { bond, vlan } = said;
  if (bond !== undefined && vlan !== undefined) {
    findings.add(
      [...path, 'vlan'],
      'INV-BOND-AND-VLAN',
      `${name} can’t be a bond and a VLAN at once`,
      'Make the bond one interface and the VLAN on it another.',
      'key',
    );
  }
  if (bond !== undefined) {
    const options = Object.entries(bond.options ?? {}).map(([key, value]) => [key, String(value)] as const);
    return {
      type: 'bond',
      mode: bond.mode,
      members: bond.members,
      options: { miimon: '100', ...Object.fromEntries(options) },
    };
  }
  return vlan === undefined ? { type: 'ethernet' } : { type: 'vlan', parent: vlan.parent, id: vlan.id };
}

function resolveRoute(
  said: { to: string; via: string; metric?: number },
  path: Path,
  connected: (address: Address) => boolean,
  addresses: readonly Cidr[],
  findings: Findings,
): Route[] {
  const to = parseCidr(said.to);
  if (to === undefined) findings.add([...path, 'to'], 'INV-BAD-ADDRESS', `“${said.to}” is no network`, CIDR_NEXT);
  const via = anAddress(said.via, [...path, 'via'], findings);
  if (to === undefined || via === undefined) return [];
  if (to.family !== via.family) {
    findings.add(
      [...path, 'via'],
      'INV-MIXED-FAMILIES',
      `${said.to} can’t be reached via ${said.via}: one is IPv4, the other IPv6`,
      'Name a router of the same family.',
    );
  } else if (!connected(via)) {
    findings.add(
      [...path, 'via'],
      'INV-GATEWAY-UNREACHABLE',
      `the router ${said.via} is in no network of the interface`,
      networksNext(addresses),
    );
  }
  return [{ to: networkOf(to), via: via.address, ...(said.metric === undefined ? {} : { metric: said.metric }) }];
}

/** An address that a host can have, or a finding. */
export function hostAddress(text: string, path: Path, findings: Findings): Cidr[] {
  const cidr = parseCidr(text);
  if (cidr === undefined) {
    findings.add(
      path,
      'INV-BAD-ADDRESS',
      `“${text}” is no address with a prefix length`,
      parseAddress(text) ? `Add the prefix length, for example ${text}/24.` : CIDR_NEXT,
    );
    return [];
  }
  const wrong = notAHost(cidr);
  if (wrong !== undefined) {
    findings.add(
      path,
      'INV-NOT-A-HOST-ADDRESS',
      `${text} is ${wrong}, no host can have it`,
      'Give the interface an address of its own in that network.',
    );
    return [];
  }
  return [cidr];
}

/** An address without prefix, or a finding. */
export function anAddress(text: string, path: Path, findings: Findings): Address | undefined {
  const address = parseAddress(text);
  if (address === undefined) findings.add(path, 'INV-BAD-ADDRESS', `“${text}” is no address`, ADDRESS_NEXT);
  return address;
}

function isLinkLocal(address: Address): boolean {
  return address.family === 6 && holds({ address: 'fe80::', prefix: 10, family: 6 }, address);
}

function networksNext(addresses: readonly Cidr[]): string {
  if (addresses.length === 0) return 'Give the interface an address in the gateway’s network.';
  return `Its networks are ${addresses.map((own) => cidrText(networkOf(own))).join(', ')}: correct the gateway, the address or its prefix length.`;
}
