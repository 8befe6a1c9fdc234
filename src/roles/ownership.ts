import { LvsctlError } from '../errors/index.ts';
import type { Area, Extras, Host, Platform } from '../inventory/model.ts';
import { keyOf } from '../resources/key.ts';
import { connectionResources } from './connections.ts';
import type { Desired, Part, Question } from './desired.ts';
import { sysctlResources } from './kernel.ts';

/** What a role wants, and whose matter that is: any of these areas; none: its kind tells (the host's extras). */
export interface Contribution {
  areas: readonly Area[];
  part: Part;
}

/** Whose matter a kind of resource is, whatever role wants it. */
const BY_KIND: Partial<Record<Desired['resource']['kind'], Area>> = {
  sysctl: 'sysctl',
  module: 'modules',
  package: 'packages',
  file: 'files',
  service: 'services',
  connection: 'network',
  firewall: 'firewall',
};

/** The host with what it has besides on its family; that counts over what it has everywhere. Pure. */
export function onPlatform(host: Host, platform: Platform): Host {
  const more: Extras | undefined = host.byPlatform[platform];
  if (more === undefined) return host;
  const named = <T>(all: readonly T[], nameOf: (one: T) => string): T[] => [
    ...new Map(all.map((one) => [nameOf(one), one])).values(),
  ];
  return {
    ...host,
    sysctls: { ...host.sysctls, ...more.sysctls },
    packages: [...new Set([...host.packages, ...more.packages])],
    modules: [...new Set([...host.modules, ...more.modules])],
    files: named([...host.files, ...more.files], ({ path }) => path),
    units: named([...host.units, ...more.units], ({ name }) => name),
  };
}

/**
 * What is lvsctl's on a host (`manage`), and what would be needed of the rest: the latter is only looked at, so that
 * a plan can warn of it. Modules go with the role that needs them; parameters, addresses and the packet filter are
 * areas of their own, whoever needs them. Pure.
 */
export function divide(host: Host, contributions: readonly Contribution[]): { own: Part; others: Part } {
  const owns = (area: Area | undefined) => area === undefined || host.owns.includes(area);
  const own = empty();
  const others = empty();
  for (const { areas, part } of contributions) {
    const role = areas.some(owns);
    const side = (mine: boolean) => (mine ? own : others);
    side(owns('sysctl')).sysctls.push(...part.sysctls);
    side(role || owns('modules')).modules.push(...part.modules);
    side(owns('network')).addresses.push(...part.addresses);
    side(owns('firewall')).firewall.push(...part.firewall);
    for (const wanted of part.resources) {
      side(areas.length > 0 ? role : owns(BY_KIND[wanted.resource.kind])).resources.push(wanted);
    }
  }
  return { own, others };
}

function empty(): Part {
  return { sysctls: [], modules: [], addresses: [], firewall: [], resources: [] };
}

/** What others should see to, as far as one can tell from the host whether they did. */
export function needed(question: Question, others: Part, own: readonly Desired[]): Desired[] {
  const { owns } = question.host;
  const looked = [
    ...sysctlResources(question, others).filter(({ resource }) => resource.kind === 'sysctl'),
    ...others.modules.map(({ stage, name }): Desired => ({ stage, resource: { kind: 'module', name } })),
    ...(owns.includes('network') ? [] : addressesOf(question, others)),
    ...others.resources.flatMap((wanted): Desired[] => {
      const { resource } = wanted;
      // Another tool may write its files as it likes; what has to be there and to run can be told.
      if (resource.kind === 'service') return [{ ...wanted, resource: { ...resource, config: [] } }];
      return resource.kind === 'package' || resource.kind === 'ipvs' ? [wanted] : [];
    }),
  ];
  if (looked.length === 0) return [];
  const mine = new Set(own.map(({ resource }) => keyOf(resource)));
  return [...new Map(looked.map((wanted) => [keyOf(wanted.resource), wanted])).values()]
    .filter(({ resource }) => !mine.has(keyOf(resource)))
    .map((wanted) => ({ ...wanted, foreign: true }));
}

/** Where there is no NetworkManager to ask, nothing can be said of it. */
function addressesOf(question: Question, others: Part): Desired[] {
  try {
    return connectionResources(question, others).filter(({ fallback }) => fallback !== true);
  } catch (error) {
    if (error instanceof LvsctlError) return [];
    throw error;
  }
}
