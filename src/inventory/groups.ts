import type { Path } from './document.ts';
import type { Findings } from './findings.ts';
import type { Inventory } from './schema.ts';
import { suggestion } from './suggest.ts';

/** The names that an inventory gives to hosts and to groups of them. */
export interface Names {
  hosts: ReadonlySet<string>;
  /** Group → its hosts, in their order. */
  groups: ReadonlyMap<string, readonly string[]>;
  /** Host → its groups, in the order of the inventory. */
  groupsOf: ReadonlyMap<string, readonly string[]>;
}

/** Looks the groups' members up. `hosts`: every host that the file describes, also those with mistakes. */
export function resolveGroups(inventory: Inventory, hosts: ReadonlySet<string>, findings: Findings): Names {
  const groups = new Map<string, string[]>();
  for (const [name, group] of Object.entries(inventory.groups ?? {})) {
    if (hosts.has(name)) {
      findings.add(
        ['groups', name],
        'INV-DUPLICATE-NAME',
        `“${name}” is a host too (${findings.line(['hosts', name], 'key')}): hosts and groups share their names`,
        'Give one of them another name.',
        'key',
        { path: ['hosts', name], of: 'key', says: 'the host' },
      );
    }
    const members = group.hosts.flatMap((text, index) => {
      const path: Path = ['groups', name, 'hosts', index];
      const range = rangeOf(text);
      if (range === undefined) {
        findings.add(
          path,
          'INV-BAD-RANGE',
          `“${text}” is no range of hosts`,
          'Write it as web[01-20] or web[1,2,7-9].',
        );
        return [];
      }
      return knownOf(text, range, hosts, inventory, path, findings);
    });
    groups.set(name, [...new Set(members)]);
  }
  const groupsOf = new Map<string, string[]>();
  for (const [name, members] of groups)
    for (const host of members) groupsOf.set(host, [...(groupsOf.get(host) ?? []), name]);
  return { hosts, groups, groupsOf };
}

/** Those of a range that are hosts; one finding for all that aren't. */
function knownOf(
  text: string,
  range: readonly string[],
  hosts: ReadonlySet<string>,
  inventory: Inventory,
  path: Path,
  findings: Findings,
): string[] {
  const missing = range.filter((host) => !hosts.has(host));
  const [first = ''] = missing;
  if (first !== '' && Object.hasOwn(inventory.groups ?? {}, first)) {
    findings.add(
      path,
      'INV-UNKNOWN-NAME',
      `“${first}” is a group, and a group’s members are hosts`,
      'Name its hosts here.',
    );
  } else if (missing.length === 1) checkHost(first, hosts, path, 'value', findings);
  else if (missing.length > 1) {
    const more = missing.length > 3 ? ` and ${missing.length - 3} more` : '';
    findings.add(
      path,
      'INV-UNKNOWN-NAME',
      `${missing.length} hosts of ${text} are not described: ${missing.slice(0, 3).join(', ')}${more}`,
      'Describe them under hosts, or correct the range.',
    );
  }
  return range.filter((host) => hosts.has(host));
}

/** More hosts than that are no range that anybody means. */
const LONGEST_RANGE = 10_000;

/** `web[01-03,7]` → web01 web02 web03 web7; a name without brackets stands for itself; undefined: no range. Pure. */
export function rangeOf(text: string): string[] | undefined {
  const match = /^([^[\]]*)\[([^[\]]*)\]([^[\]]*)$/.exec(text);
  if (match === null) return /[[\]]/.test(text) ? undefined : [text];
  const [, before = '', inside = '', after = ''] = match;
  const numbers: string[] = [];
  for (const part of inside.split(',')) {
    const bounds = /^(\d+)(?:-(\d+))?$/.exec(part);
    if (bounds === null) return undefined;
    const [, first = '', last = first] = bounds;
    const size = Number(last) - Number(first) + 1;
    if (size < 1 || size + numbers.length > LONGEST_RANGE) return undefined;
    for (let n = Number(first); n <= Number(last); n += 1) numbers.push(String(n).padStart(first.length, '0'));
  }
  return numbers.map((number) => `${before}${number}${after}`);
}

/** The hosts that a list of hosts and groups means, each once; a finding for every unknown name. */
export function hostsOf(said: readonly string[], names: Names, path: Path, findings: Findings): string[] {
  return [...new Set(said.flatMap((name, index) => membersOf(name, names, [...path, index], 'value', findings)))];
}

/** The hosts behind one name. */
export function membersOf(
  name: string,
  names: Names,
  path: Path,
  of: 'key' | 'value',
  findings: Findings,
): readonly string[] {
  const group = names.groups.get(name);
  if (group !== undefined) return group;
  return checkHost(name, names.hosts, path, of, findings, names.groups.keys()) ? [name] : [];
}

/**
 * Whether a name is a host's; a finding where it isn't.
 * @param groups may stand there too, and so may have been meant
 */
export function checkHost(
  name: string,
  hosts: ReadonlySet<string>,
  path: Path,
  of: 'key' | 'value',
  findings: Findings,
  groups: Iterable<string> = [],
): boolean {
  if (hosts.has(name)) return true;
  findings.add(path, 'INV-UNKNOWN-NAME', `there is no host “${name}”`, suggestion(name, [...hosts, ...groups]), of);
  return false;
}
