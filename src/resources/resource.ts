import type { AccountResource } from './account.ts';
import type { ArchiveResource } from './archive.ts';
import type { ArptablesResource } from './arptables.ts';
import type { ClockResource } from './clock.ts';
import type { ConnectionResource } from './connection.ts';
import type { FileResource } from './file.ts';
import type { FirewallResource } from './firewall.ts';
import type { IpvsResource } from './ipvs.ts';
import type { IpvsTimeoutsResource } from './ipvs-timeouts.ts';
import type { KeepalivedResource } from './keepalived.ts';
import type { ModuleResource } from './module.ts';
import type { NeighbourResource } from './neighbour.ts';
import type { PackageResource } from './package.ts';
import type { SelinuxBooleanResource } from './selinux-boolean.ts';
import type { SelinuxPortResource } from './selinux-port.ts';
import type { ServiceResource } from './service.ts';
import type { SysctlResource } from './sysctl.ts';
import type { TunnelResource } from './tunnel.ts';

export type {
  AccountResource,
  ArchiveResource,
  ArptablesResource,
  ClockResource,
  ConnectionResource,
  FileResource,
  FirewallResource,
  IpvsResource,
  IpvsTimeoutsResource,
  KeepalivedResource,
  ModuleResource,
  NeighbourResource,
  PackageResource,
  SelinuxBooleanResource,
  SelinuxPortResource,
  ServiceResource,
  SysctlResource,
  TunnelResource,
};

/** Everything that a host can be asked to have. */
export type Resource =
  | PackageResource
  | ModuleResource
  | SysctlResource
  | TunnelResource
  | AccountResource
  | ArchiveResource
  | FileResource
  | SelinuxBooleanResource
  | ArptablesResource
  | ConnectionResource
  | NeighbourResource
  | FirewallResource
  | IpvsResource
  | IpvsTimeoutsResource
  | KeepalivedResource
  | ServiceResource
  | ClockResource
  | SelinuxPortResource;
