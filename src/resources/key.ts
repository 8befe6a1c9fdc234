import type { Resource } from './resource.ts';

/** Names a resource among those of its host, readably: `sysctl net.ipv4.ip_forward`, `ipvs tcp 20.20.20.20:80`. */
export function keyOf(resource: Resource): string {
  switch (resource.kind) {
    case 'package':
    case 'module':
    case 'sysctl':
    case 'account':
      return `${resource.kind} ${resource.name}`;
    case 'file':
      return `file ${resource.path}`;
    case 'archive':
      return `archive ${resource.path}`;
    case 'selinux_boolean':
      return `selinux boolean ${resource.name}`;
    case 'selinux_port':
      return `selinux port ${resource.port}`;
    case 'clock':
    case 'keepalived':
      return resource.kind;
    case 'tunnel':
      return resource.type === 'gue'
        ? `tunnel gue ${resource.port} IPv${resource.family}`
        : `tunnel ${resource.device}`;
    case 'arptables':
      return `arptables ${resource.address}`;
    case 'neighbour':
      return `neighbour ${resource.address} on ${resource.device}`;
    case 'connection':
      return `connection ${resource.device}`;
    case 'firewall':
      return `firewall ${resource.place.backend} ${resource.purpose}`;
    case 'ipvs': {
      if (resource.protocol === 'fwmark') return `ipvs fwmark ${resource.mark}${resource.family === 6 ? ' IPv6' : ''}`;
      const host = resource.address.includes(':') ? `[${resource.address}]` : resource.address;
      return `ipvs ${resource.protocol} ${host}:${resource.port}`;
    }
    case 'ipvs_timeouts':
      return 'ipvs timeouts';
    case 'service':
      return `service ${resource.unit}`;
  }
}
