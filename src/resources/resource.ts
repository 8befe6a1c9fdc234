import type { ConnectionResource } from './connection.ts';
import type { FileResource } from './file.ts';
import type { FirewallResource } from './firewall.ts';
import type { IpvsResource } from './ipvs.ts';
import type { ModuleResource } from './module.ts';
import type { PackageResource } from './package.ts';
import type { ServiceResource } from './service.ts';
import type { SysctlResource } from './sysctl.ts';

export type {
  ConnectionResource,
  FileResource,
  FirewallResource,
  IpvsResource,
  ModuleResource,
  PackageResource,
  ServiceResource,
  SysctlResource,
};

/** Everything that a host can be asked to have. */
export type Resource =
  | PackageResource
  | ModuleResource
  | SysctlResource
  | FileResource
  | ConnectionResource
  | FirewallResource
  | IpvsResource
  | ServiceResource;
