import type { Facts } from '../platform/facts.ts';
import { accountKind } from './account.ts';
import { archiveKind } from './archive.ts';
import { arptablesKind } from './arptables.ts';
import { clockKind } from './clock.ts';
import { connectionKind } from './connection.ts';
import { fileKind } from './file.ts';
import { firewallKind } from './firewall.ts';
import { changedSince } from './holds.ts';
import { ipvsKind } from './ipvs.ts';
import { ipvsTimeoutsKind } from './ipvs-timeouts.ts';
import { keepalivedKind } from './keepalived.ts';
import type { Change, Kept, Kind, Recorded, Refusal, Stage, Undoing } from './kind.ts';
import { moduleKind } from './module.ts';
import { neighbourKind } from './neighbour.ts';
import { packageKind } from './package.ts';
import type { Resource } from './resource.ts';
import { selinuxBooleanKind } from './selinux-boolean.ts';
import { selinuxPortKind } from './selinux-port.ts';
import { serviceKind } from './service.ts';
import { sysctlKind } from './sysctl.ts';
import { tunnelKind } from './tunnel.ts';

export { holds } from './holds.ts';
export { keyOf } from './key.ts';
export type {
  AccountResource,
  ArchiveResource,
  ArptablesResource,
  ClockResource,
  ConnectionResource,
  FileResource,
  IpvsResource,
  IpvsTimeoutsResource,
  KeepalivedResource,
  ModuleResource,
  NeighbourResource,
  PackageResource,
  Resource,
  SelinuxBooleanResource,
  SelinuxPortResource,
  ServiceResource,
  SysctlResource,
  TunnelResource,
} from './resource.ts';

/**
 * Every kind of resource, in the order in which a host needs them. A kind's functions take its own resources and
 * states only: `diffOne` and the host client pair them by `resource.kind`.
 */
export const kinds: { readonly [K in Resource['kind']]: Kind<Resource, unknown> } = {
  package: packageKind,
  module: moduleKind,
  tunnel: tunnelKind,
  sysctl: sysctlKind,
  account: accountKind,
  archive: archiveKind,
  file: fileKind,
  selinux_boolean: selinuxBooleanKind,
  arptables: arptablesKind,
  connection: connectionKind,
  neighbour: neighbourKind,
  firewall: firewallKind,
  ipvs: ipvsKind,
  ipvs_timeouts: ipvsTimeoutsKind,
  service: serviceKind,
  keepalived: keepalivedKind,
  clock: clockKind,
  selinux_port: selinuxPortKind,
};

/** What has to be done to one resource; empty where the observed state is the desired one. Pure. */
export function diffOne(resource: Resource, state: unknown, facts: Facts): Change[] {
  return kinds[resource.kind].diff(resource, state, facts);
}

/** What the operator should know about a resource and no change mends. Pure. */
export function noticesOf(resource: Resource, state: unknown): string[] {
  return kinds[resource.kind].warn?.(resource, state) ?? [];
}

/** Why a host can't have a resource; empty where it can. Pure. */
export function refusalsOf(resource: Resource, state: unknown): Refusal[] {
  return kinds[resource.kind].refuse?.(resource, state) ?? [];
}

/** The resource that gives back what was there before, why that can't be, or nothing (`Kind.undo`). Pure. */
export function undoOf(entry: Recorded<Resource>, why: Undoing): Resource | { left: string } | undefined {
  return kinds[entry.resource.kind].undo(entry, why);
}

/** The resource that brings back what one change found (`Kind.back`). Pure. */
export function backOf(entry: Recorded<Resource>): Resource | { left: string } | undefined {
  const { back } = kinds[entry.resource.kind];
  return back === undefined ? undoOf(entry, 'left') : back(entry);
}

/**
 * What somebody else changed since, in words; undefined where it is as lvsctl wrote it (`Kind.theirs`). Pure.
 * @param strict also of kinds that don't tell what is somebody else's: any other state than those known is
 */
export function theirsOf(entry: Recorded<Resource>, state: unknown, strict = false): string | undefined {
  const { theirs } = kinds[entry.resource.kind];
  if (theirs !== undefined) return theirs(entry, state);
  return strict ? changedSince(entry, state) : undefined;
}

/** The resource as a manifest holds it (`Kind.record`). Pure. */
export function recordOf(resource: Resource): Resource {
  return kinds[resource.kind].record?.(resource) ?? resource;
}

/** What the host keeps before a first change (`Kind.keep`). Pure. */
export function keptOf(resource: Resource, before: unknown): Kept[] {
  return kinds[resource.kind].keep?.(resource, before) ?? [];
}

/** The state from before out of those of two changes (`Kind.earliest`). Pure. */
export function earliestOf(resource: Resource, first: unknown, later: unknown): unknown {
  if (first === undefined) return later;
  if (later === undefined) return first;
  const { earliest } = kinds[resource.kind];
  return earliest === undefined ? first : earliest(first, later);
}

/** When a change happens: at its resource's stage unless its kind tells another (`Kind.stage`). Pure. */
export function stageOf(resource: Resource, change: Pick<Change, 'direction'>, stage: Stage): Stage {
  return kinds[resource.kind].stage?.(change) ?? stage;
}

/** Whether what the host serves may be cut or refused while a change is made (`Kind.disturbs`). Pure. */
export function disturbs(change: Change, resource: Resource): boolean {
  return kinds[resource.kind].disturbs?.(change, resource) ?? false;
}

/** Whether it is given back after files were (`Kind.late`). Pure. */
export function isLate(resource: Resource): boolean {
  return kinds[resource.kind].late?.(resource) ?? false;
}
