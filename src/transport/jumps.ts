import type { Target } from './types.ts';

/** The hops of a ProxyJump value (ssh_config(5)): `[user@]host[:port]` or `ssh://[user@]host[:port]`, by commas; undefined: not one. */
export function parseJumps(value: string): Target[] | undefined {
  const hops = value.split(',').map((hop) => parseJump(hop.trim()));
  const valid = hops.filter((hop) => hop !== undefined);
  return valid.length === hops.length ? valid : undefined;
}

/** One of them; undefined where it is none. */
export function parseJump(hop: string): Target | undefined {
  const match = hop.match(/^(?:ssh:\/\/)?(?:([^@]+)@)?(?:\[([^\]]+)\]|([^:@[\]]+))(?::(\d+))?\/?$/);
  const address = match?.[2] ?? match?.[3];
  const port = Number(match?.[4] ?? 22);
  if (address === undefined || port < 1 || port > 65535 || address.startsWith('-')) return undefined;
  return {
    name: address,
    ssh: { address, ...(match?.[1] ? { user: match[1] } : {}), ...(match?.[4] ? { port } : {}) },
  };
}
