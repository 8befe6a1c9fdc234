/** What hosts' files say, put together as one inventory. */
import type { Inventory, InventoryHost } from '../inventory/schema.ts';
import { composeHosts } from './compose-hosts.ts';
import { composeServices } from './compose-services.ts';
import { composeVrrp } from './compose-vrrp.ts';
import type { Gaps } from './gaps.ts';
import type { ImportedHost } from './imported.ts';

/** Words that stand above a key of the inventory. */
export interface Note {
  path: (string | number)[];
  text: string;
}

export interface Composed {
  inventory: Inventory;
  notes: Note[];
  /** Parts of an inventory that need something which the files don't tell: written as comments. */
  drafts: { why: string; value: object }[];
}

/** What the parts of the inventory are made with. */
export interface Composing {
  imported: readonly ImportedHost[];
  hosts: Record<string, InventoryHost>;
  notes: Note[];
  drafts: Composed['drafts'];
  gaps: Gaps;
}

/** @param name the cluster's */
export function compose(name: string, imported: readonly ImportedHost[], gaps: Gaps): Composed {
  const composing: Composing = { imported, hosts: {}, notes: [], drafts: [], gaps };
  for (const host of imported) {
    composing.hosts[host.name] = {
      ...(host.ssh === undefined ? {} : { ssh: host.ssh }),
      ...(Object.keys(host.interfaces).length === 0 ? {} : { interfaces: host.interfaces }),
    };
  }
  const vrrp = composeVrrp(composing);
  const services = composeServices(composing, vrrp.floating);
  composeHosts(composing, vrrp, services);
  const ipvs = ipvsOf(imported, gaps);
  const inventory: Inventory = {
    version: 1,
    name,
    hosts: composing.hosts,
    ...(isEmpty(vrrp.groups) ? {} : { vrrp: vrrp.groups }),
    ...(isEmpty(vrrp.vips) ? {} : { vips: vrrp.vips }),
    ...(isEmpty(services) ? {} : { services }),
    ...(ipvs === undefined ? {} : { ipvs }),
  };
  return { inventory, notes: composing.notes, drafts: composing.drafts };
}

function isEmpty(value: object): boolean {
  return Object.keys(value).length === 0;
}

function ipvsOf(imported: readonly ImportedHost[], gaps: Gaps): Inventory['ipvs'] {
  const sync = sameOn(imported, 'sync', gaps);
  const timeouts = sameOn(imported, 'timeouts', gaps);
  if (sync === undefined && timeouts === undefined) return undefined;
  return { ...(timeouts === undefined ? {} : { timeouts }), ...(sync === undefined ? {} : { sync }) };
}

/** What all hosts have in common; the first one's where they differ, which is told. */
function sameOn<K extends 'sync' | 'timeouts'>(
  imported: readonly ImportedHost[],
  key: K,
  gaps: Gaps,
): ImportedHost[K] | undefined {
  const [first, ...others] = imported.filter((host) => host[key] !== undefined);
  for (const other of others) {
    if (JSON.stringify(other[key]) === JSON.stringify(first?.[key])) continue;
    gaps.add(NOWHERE, `${key} of ${other.name} and ${first?.name} differ`, `Those of ${first?.name} are written.`);
  }
  return first?.[key];
}

const NOWHERE = { kind: 'file', file: 'the files' } as const;
