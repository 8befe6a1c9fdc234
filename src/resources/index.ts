import type { ConnectionResource } from './connection.ts';
import type { FileResource } from './file.ts';
import type { IpvsResource } from './ipvs.ts';
import type { ModuleResource } from './module.ts';
import type { PackageResource } from './package.ts';
import type { ServiceResource } from './service.ts';
import type { SysctlResource } from './sysctl.ts';

export type {
  ConnectionResource,
  FileResource,
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
  | IpvsResource
  | ServiceResource;

/** Names a resource among those of its host, readably: `sysctl net.ipv4.ip_forward`, `ipvs tcp 20.20.20.20:80`. */
export function keyOf(resource: Resource): string {
  switch (resource.kind) {
    case 'package':
    case 'module':
    case 'sysctl':
      return `${resource.kind} ${resource.name}`;
    case 'file':
      return `file ${resource.path}`;
    case 'connection':
      return `connection ${resource.device}`;
    case 'ipvs': {
      const host = resource.address.includes(':') ? `[${resource.address}]` : resource.address;
      return `ipvs ${resource.protocol} ${host}:${resource.port}`;
    }
    case 'service':
      return `service ${resource.unit}`;
  }
}
