import { relative } from 'node:path';
import { type Problem, placeText } from '../errors/index.ts';
import { hostIn, hostNamed } from './derived.ts';
import type { Path, SourceDocument } from './document.ts';
import type { Cluster, Host } from './model.ts';

/** A cluster, with where it is written, and whether the command is about it. */
export interface Claimed {
  cluster: Cluster;
  document: SourceDocument;
  asked: boolean;
}

/** Something that is there once on a network. */
interface Claim {
  /** What it is, in words; equal ones are one thing. */
  what: string;
  /** Whose it is, in words. */
  who: string;
  /** Two claims of one host are the same claim: clusters may share a host. */
  host?: string;
  path: Path;
  code: 'INV-DUPLICATE-ADDRESS' | 'INV-DUPLICATE-VRID';
  next: string;
}

/** Addresses and virtual router ids that two clusters both want; each problem stands in a cluster that is asked for. Pure. */
export function checkAcross(clusters: readonly Claimed[]): Problem[] {
  if (clusters.length < 2) return [];
  const problems: Problem[] = [];
  const first = new Map<string, { claim: Claim; of: Claimed }>();
  // What is asked for comes last: it is what has to be changed.
  for (const of of [...clusters].sort((a, b) => Number(a.asked) - Number(b.asked))) {
    for (const claim of claimsOf(of.cluster)) {
      const earlier = first.get(claim.what);
      if (earlier === undefined) first.set(claim.what, { claim, of });
      else if (of.asked && earlier.of !== of && !same(claim, earlier.claim)) {
        const there = earlier.of.document.place(earlier.claim.path, 'key');
        const file = relative(process.cwd(), there.file);
        problems.push({
          code: claim.code,
          place: of.document.place(claim.path),
          what: `${claim.what} is ${claim.who} here, and ${earlier.claim.who} in the cluster ${earlier.of.cluster.name} (${placeText({ ...there, file: file.startsWith('..') ? there.file : file })})`,
          next: claim.next,
          also: [{ place: there, says: earlier.claim.who }],
        });
      }
    }
  }
  return problems;
}

/** One machine in two clusters: the same name and the same address. */
function same(a: Claim, b: Claim): boolean {
  return a.host !== undefined && a.host === b.host;
}

function* claimsOf(cluster: Cluster): Generator<Claim> {
  const address = { code: 'INV-DUPLICATE-ADDRESS', next: 'Give one of them another address.' } as const;
  for (const host of cluster.hosts) {
    for (const one of host.interfaces) {
      for (const [index, own] of one.addresses.entries()) {
        const path: Path = ['hosts', host.name, 'interfaces', one.name, 'addresses', index];
        yield { ...address, what: own.address, who: `${host.name}’s`, host: host.name, path };
      }
    }
  }
  const owned = new Set<string>();
  for (const service of cluster.services) {
    for (const vip of service.vips) {
      // Several services may share a VIP.
      if (owned.has(vip.address)) continue;
      owned.add(vip.address);
      const [only] = service.directors;
      // A single director's own address may be the VIP.
      const isOwn = hostNamed(cluster, only ?? '')?.interfaces.some((one) =>
        one.addresses.some((own) => own.address === vip.address),
      );
      if (isOwn) continue;
      yield { ...address, what: vip.address, who: `a VIP of ${service.name}`, path: ['services', service.name, 'vip'] };
    }
  }
  for (const group of cluster.vrrp) {
    for (const instance of group.instances) {
      const path: Path = ['vrrp', group.name, 'instances', instance.name];
      for (const [family, segment] of vrrpSegments(cluster.hosts, instance)) {
        yield {
          code: 'INV-DUPLICATE-VRID',
          what: `virtual router ${instance.virtualRouterId} (IPv${family}) on segment ${segment}`,
          who: `${group.name}.${instance.name}`,
          path: [...path, 'virtual_router_id'],
          next: 'Give one of them another virtual_router_id.',
        };
      }
      for (const floating of instance.addresses) {
        if (owned.has(floating.address)) continue;
        yield { ...address, what: floating.address, who: `a floating address of ${group.name}.${instance.name}`, path };
      }
    }
  }
}

/** Where an instance speaks: the family of its addresses, and the segments of its nodes' interfaces. */
export function vrrpSegments(
  hosts: readonly Host[],
  { addresses, nodes }: Cluster['vrrp'][number]['instances'][number],
): [4 | 6, string][] {
  const family = addresses.length > 0 && addresses.every((one) => one.family === 6) ? 6 : 4;
  const segments = nodes.flatMap(
    ({ host, device }) => hostIn(hosts, host)?.interfaces.find(({ name }) => name === device)?.segment ?? [],
  );
  return [...new Set(segments)].map((segment) => [family, segment]);
}
