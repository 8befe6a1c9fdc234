import type { Facts } from '../platform/facts.ts';
import { connectionKind } from './connection.ts';
import { fileKind } from './file.ts';
import { ipvsKind } from './ipvs.ts';
import type { Change, Kind } from './kind.ts';
import { moduleKind } from './module.ts';
import { packageKind } from './package.ts';
import type { Resource } from './resource.ts';
import { serviceKind } from './service.ts';
import { sysctlKind } from './sysctl.ts';

export { holds } from './holds.ts';
export { keyOf } from './key.ts';
export type {
  ConnectionResource,
  FileResource,
  IpvsResource,
  ModuleResource,
  PackageResource,
  Resource,
  ServiceResource,
  SysctlResource,
} from './resource.ts';

/**
 * Every kind of resource, in the order in which a host needs them. A kind's functions take its own resources and
 * states only: `diffOne` and the host client pair them by `resource.kind`.
 */
export const kinds: { readonly [K in Resource['kind']]: Kind<Resource, unknown> } = {
  package: packageKind,
  module: moduleKind,
  sysctl: sysctlKind,
  file: fileKind,
  connection: connectionKind,
  ipvs: ipvsKind,
  service: serviceKind,
};

/** What has to be done to one resource; empty where the observed state is the desired one. Pure. */
export function diffOne(resource: Resource, state: unknown, facts: Facts): Change[] {
  return kinds[resource.kind].diff(resource, state, facts);
}

/** What the operator should know about a resource and no change mends. Pure. */
export function noticesOf(resource: Resource, state: unknown): string[] {
  return kinds[resource.kind].warn?.(resource, state) ?? [];
}
