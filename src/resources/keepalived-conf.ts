/** keepalived.conf as text: which lines are whose real server, and what two nodes of a pair must have in common. */
import { endpoint } from './ipvs-table.ts';

/** A real server of a `virtual_server` block; line numbers from 0, the last one that of its closing brace. */
interface RealBlock {
  endpoint: string;
  first: number;
  last: number;
  /** The line that says its weight; none where it is left out. */
  weight?: number;
}

interface ServiceBlock {
  /** What tells it from others: `192.0.2.100 80` or `fwmark 7`, and its protocol and family as far as they are said. */
  name: string;
  last: number;
  servers: RealBlock[];
}

/** All real servers that a configuration names: `ADDRESS:PORT`. Pure. */
export function endpointsIn(text: string): string[] {
  return parse(text.split('\n')).flatMap(({ servers }) => servers.map((one) => one.endpoint));
}

/**
 * The same configuration with weight 0 for these real servers (`ADDRESS:PORT`), in all services. undefined: none of them
 * stands in it in a form that is understood. Pure.
 */
export function withoutWeight(text: string, isMeant: (endpoint: string) => boolean): string | undefined {
  const lines = text.split('\n');
  const meant = parse(lines).flatMap(({ servers }) => servers.filter((one) => isMeant(one.endpoint)));
  if (meant.length === 0) return undefined;
  const after = new Map<number, string>();
  for (const { first, weight } of meant) {
    if (weight === undefined) after.set(first, `${indentOf(lines[first])}    weight 0`);
    else lines[weight] = `${indentOf(lines[weight])}weight 0`;
  }
  return inserted(lines, after);
}

/**
 * A configuration with real servers of an earlier one besides, in the services that both have: with weight 0, so that
 * they keep what they serve and get nothing new. Pure.
 * @param isMeant a service as in its block's heading, and `ADDRESS:PORT`
 */
export function withParting(text: string, earlier: string, isMeant: (endpoint: string) => boolean): string {
  const old = earlier.split('\n');
  const lines = text.split('\n');
  const services = new Map(parse(old).map((one) => [one.name, one]));
  const after = new Map<number, string>();
  for (const { name, last, servers } of parse(lines)) {
    const stay = new Set(servers.map((one) => one.endpoint));
    const parting = services.get(name)?.servers.filter((one) => isMeant(one.endpoint) && !stay.has(one.endpoint)) ?? [];
    const blocks = parting.map((one) => old.slice(one.first, one.last + 1).join('\n'));
    const whole = blocks.map((block, at) => {
      const body = `virtual_server x {\n${block}\n}`;
      return (withoutWeight(body, (each) => each === parting[at]?.endpoint) ?? body)
        .split('\n')
        .slice(1, -1)
        .join('\n');
    });
    if (whole.length > 0) after.set(last - 1, whole.join('\n'));
  }
  return inserted(lines, after);
}

/**
 * Instances whose settings differ in what a peer must have too: a node refuses the adverts of another one with another
 * number of addresses in them, password or interval, and becomes master beside it (keepalived's vrrp.c). Pure.
 */
export function differingInstances(earlier: string, text: string): string[] {
  return inBoth(earlier, text).flatMap(([name, was, is]) => (isAgreed(was, is) ? [] : [name]));
}

/**
 * Of the instances that both configurations have, with the same settings in what a peer must have too: the addresses
 * (CIDR) that stand in both. Pure.
 */
export function stayingAddresses(earlier: string, text: string): Map<string, string[]> {
  return new Map(
    inBoth(earlier, text).flatMap(([name, was, is]) =>
      isAgreed(was, is) ? [[name, is.addresses.filter((one) => was.addresses.includes(one))]] : [],
    ),
  );
}

/** What stands in an instance's block: lines that its peers must have too, and all addresses. */
interface InstanceBlock {
  shared: string[];
  addresses: string[];
}

function inBoth(earlier: string, text: string): [string, InstanceBlock, InstanceBlock][] {
  const old = instancesOf(earlier.split('\n'));
  return [...instancesOf(text.split('\n'))].flatMap(([name, is]): [string, InstanceBlock, InstanceBlock][] => {
    const was = old.get(name);
    return was === undefined ? [] : [[name, was, is]];
  });
}

function isAgreed(was: InstanceBlock, is: InstanceBlock): boolean {
  return was.shared.join('\n') === is.shared.join('\n');
}

const SHARED = /^(virtual_router_id|version|advert_int|auth_type|auth_pass|unicast_peer)\b/;

function instancesOf(lines: readonly string[]): Map<string, InstanceBlock> {
  const found = new Map<string, InstanceBlock>();
  let own: InstanceBlock | undefined;
  let inside = '';
  walk(lines, (line, depth) => {
    const [, name] = /^vrrp_instance\s+(\S+)/.exec(line) ?? [];
    if (depth === 0 && name !== undefined) {
      own = { shared: [], addresses: [] };
      found.set(name, own);
    } else if (depth === 0 && line !== '') own = undefined;
    else if (own !== undefined && depth === 1) {
      inside = line.replace(/\s*\{$/, '');
      if (SHARED.test(line)) own.shared.push(inside);
    } else if (own !== undefined && depth === 2 && inside.startsWith('virtual_ipaddress')) {
      const [address = ''] = line.split(/\s/);
      if (inside === 'virtual_ipaddress') own.shared.push(address);
      own.addresses.push(address);
    } else if (own !== undefined && depth === 2 && inside === 'authentication' && SHARED.test(line))
      own.shared.push(line);
  });
  return found;
}

function parse(lines: readonly string[]): ServiceBlock[] {
  const services: ServiceBlock[] = [];
  let service: (ServiceBlock & { heading: string; more: string[] }) | undefined;
  let server: RealBlock | undefined;
  walk(lines, (line, depth, at) => {
    if (depth === 0) {
      const [, heading] = /^virtual_server\s+(.*?)\s*\{$/.exec(line) ?? [];
      service =
        heading === undefined ? undefined : { heading: words(heading), more: [], name: '', last: at, servers: [] };
      if (service !== undefined) services.push(service);
      return;
    }
    if (service === undefined) return;
    if (depth === 1 && line === '}') {
      service.last = at;
      service.name = [service.heading, ...service.more.toSorted()].join(' ');
    } else if (depth === 1) {
      const [, address, port = '0'] = /^real_server\s+(\S+)(?:\s+(\d+))?\s*\{$/.exec(line) ?? [];
      if (/^(protocol|ip_family)\b/.test(line)) service.more.push(words(line));
      if (address === undefined) return;
      server = { endpoint: endpoint({ address, port: Number(port) }), first: at, last: at };
      service.servers.push(server);
    } else if (depth === 2 && server !== undefined) {
      if (/^weight\s/.test(line)) server.weight = at;
      if (line === '}') {
        server.last = at;
        server = undefined;
      }
    }
  });
  return services;
}

/** Each line without comment and indentation, and in how many blocks it stands: a closing brace in that which it ends. */
function walk(lines: readonly string[], visit: (line: string, depth: number, at: number) => void): void {
  let depth = 0;
  for (const [at, text] of lines.entries()) {
    const line = text.replace(/[#!].*$/, '').trim();
    visit(line, depth, at);
    const bare = line.replace(/"[^"]*"/g, '');
    depth += (bare.match(/\{/g)?.length ?? 0) - (bare.match(/\}/g)?.length ?? 0);
  }
}

function words(text: string): string {
  return text.trim().replace(/\s+/g, ' ');
}

function indentOf(line = ''): string {
  return /^\s*/.exec(line)?.[0] ?? '';
}

/** The lines with others behind some of them. */
function inserted(lines: readonly string[], after: ReadonlyMap<number, string>): string {
  return lines
    .flatMap((line, at) => {
      const more = after.get(at);
      return more === undefined ? [line] : [line, more];
    })
    .join('\n');
}
