/** Configuration files of running hosts as the inventory that describes them. */
import { existsSync, statSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { includeFiles } from '../conf/files.ts';
import { parseKeepalived } from '../conf/keepalived.ts';
import { failure, type Problem } from '../errors/index.ts';
import { parseSource } from '../inventory/document.ts';
import { resolveCluster } from '../inventory/resolve.ts';
import { validateDocument } from '../inventory/validate.ts';
import { compose } from './compose.ts';
import { type FilePlace, type Gaps, makeGaps } from './gaps.ts';
import { emptyHost, type ImportedHost, type ImportedService } from './imported.ts';
import { importTable } from './ipvsadm.ts';
import { importKeepalived, routerId } from './keepalived.ts';
import { importKeyfile } from './keyfile.ts';
import { importLdirectord } from './ldirectord.ts';
import { tidy, unused } from './names.ts';
import { hostOf, nameOf, type ReadHost, sourcesOf } from './observed.ts';
import { readSources, type Source } from './sources.ts';
import { inventoryText } from './write.ts';

export interface ImportOptions {
  /** The cluster's name. */
  name: string;
  /** Where the inventory will stand: scripts beside the files are named from there. */
  target: string;
}

export interface Imported {
  /** The inventory, as YAML. */
  text: string;
  /** What the files hold and the inventory doesn't. */
  gaps: Problem[];
  /** What is wrong with the inventory that came of it, places being its own lines. */
  mistakes: Problem[];
}

/**
 * Reads files (`FILE`, `NAME=FILE`, folders) and describes what they do as an inventory.
 * @throws LvsctlError where a file can't be read or is none of the kinds known, or its host isn't clear
 */
export function importFiles(args: readonly string[], options: ImportOptions): Imported {
  return importHosts([], args, options);
}

/**
 * The same of running hosts, and of files beside them: their keepalived.conf or ldirectord.cf as far as these are in
 * use, their table, NetworkManager's keyfiles, and else the addresses that they have.
 * @throws LvsctlError as `importFiles`
 */
export function importHosts(read: readonly ReadHost[], args: readonly string[], options: ImportOptions): Imported {
  const gaps = makeGaps();
  const given = readSources(args, gaps);
  const sources = [...read.flatMap(({ seen }) => sourcesOf(seen, gaps)), ...given];
  const hosts = hostsOf(read, sources, options, gaps);
  const composed = compose(options.name, hosts, gaps);
  const from = [...read.map(({ seen }) => seen.name), ...given.map(({ file }) => file)];
  const head = [
    `Imported by lvsctl from ${[...new Set(from)].join(', ')}.`,
    'Look it through, then compare it with the hosts: lvsctl plan.',
  ];
  const text = inventoryText(composed, head, gaps.problems);
  return { text, gaps: gaps.problems, mistakes: mistakesIn(options.target, text) };
}

/** What `lvsctl validate` would say of it. */
function mistakesIn(file: string, text: string): Problem[] {
  const document = parseSource(file, text);
  if ('problems' in document) return document.problems;
  const checked = validateDocument(document);
  if (checked.inventory === undefined) return checked.problems;
  return [...checked.problems, ...resolveCluster(document, checked.inventory, checked.pruned).problems];
}

function hostsOf(
  read: readonly ReadHost[],
  sources: readonly Source[],
  options: ImportOptions,
  gaps: Gaps,
): ImportedHost[] {
  const hosts = new Map<string, ImportedHost>();
  const add = (one: ImportedHost): void => {
    hosts.set(one.name, joined(hosts.get(one.name) ?? emptyHost(one.name), one, gaps));
  };
  for (const one of read) hosts.set(nameOf(one.seen), emptyHost(nameOf(one.seen)));
  const conf = sources.filter(({ kind }) => kind === 'keepalived');
  for (const source of conf) add(keepalivedOf(source, hosts, options, gaps));
  for (const source of sources.filter(({ kind }) => kind !== 'keepalived')) {
    const name = source.host ?? only(hosts, source);
    if (source.kind === 'ipvsadm') add(importTable(name, source.file, source.text, gaps));
    else if (source.kind === 'ldirectord') add(importLdirectord(name, source.file, source.text, gaps));
    else add(importKeyfile(name, source.file, source.text, gaps));
  }
  for (const one of read) add(hostOf(one, new Set(Object.keys(hosts.get(nameOf(one.seen))?.interfaces ?? {}))));
  return [...hosts.values()];
}

function keepalivedOf(
  { host, file, text, include, configId = host }: Source,
  hosts: ReadonlyMap<string, ImportedHost>,
  { target }: ImportOptions,
  gaps: Gaps,
): ImportedHost {
  const parsed = parseKeepalived(file, text, {
    include: include ?? includeFiles,
    ...(configId === undefined ? {} : { configId }),
  });
  const names = Object.fromEntries(hosts);
  const id = tidy(routerId(parsed) ?? 'director');
  const name = host ?? (hosts.has(id) ? unused('director', names) : id);
  const scriptOf = (path: string, place: FilePlace): string | undefined => {
    if (include !== undefined) {
      gaps.add(place, `the script ${path} is on the host`, 'Copy it beside the inventory, and name it there.');
      return undefined;
    }
    const beside = join(dirname(place.file), basename(path));
    if (existsSync(beside) && statSync(beside).isFile()) {
      const way = relative(dirname(target), beside);
      return way.startsWith('.') || way.startsWith('/') ? way : `./${way}`;
    }
    gaps.add(place, `the script ${path} is not here`, `Copy it beside ${basename(place.file)} and import again.`);
    return undefined;
  };
  const imported = importKeepalived(name, parsed, scriptOf, gaps);
  return { ...imported, services: imported.services.map((service) => named(service, file, text.split('\n'))) };
}

function named(service: ImportedService, file: string, lines: readonly string[]): ImportedService {
  const above = service.place.file === file ? lines[(service.place.line ?? 1) - 2] : undefined;
  const name = /^# ([a-z][a-z0-9-]*[a-z0-9])$/.exec(above ?? '')?.[1];
  return name === undefined ? service : { ...service, name };
}

/** The one host that there is. */
function only(hosts: ReadonlyMap<string, ImportedHost>, { file }: Source): string {
  const [first, second] = hosts.keys();
  if (second === undefined) return first ?? 'director';
  throw failure({
    code: 'IMPORT-WHOSE-FILE',
    place: { kind: 'file', file },
    what: `whose file it is isn’t clear: there are ${[...hosts.keys()].join(', ')}`,
    next: 'Say it: NAME=FILE.',
  });
}

/** Two files of one host. The same service in both (a table beside its keepalived.conf) is one. */
function joined(one: ImportedHost, other: ImportedHost, gaps: Gaps): ImportedHost {
  const keys = new Map(one.services.map((service) => [JSON.stringify(service.match), service]));
  for (const service of other.services) {
    const known = keys.get(JSON.stringify(service.match));
    const list = (reals: ImportedHost['services'][number]['reals']) =>
      reals
        .map((real) => `${real.address} ${real.port} ${real.weight}`)
        .toSorted()
        .join();
    if (known !== undefined && (list(known.reals) !== list(service.reals) || known.scheduler !== service.scheduler))
      gaps.add(
        service.place,
        'the table has this service otherwise than the configuration',
        'The configuration’s is written.',
      );
  }
  const sync = one.sync ?? other.sync;
  const timeouts = one.timeouts ?? other.timeouts;
  return {
    name: one.name,
    interfaces: { ...one.interfaces, ...other.interfaces },
    instances: [...one.instances, ...other.instances],
    syncGroups: [...one.syncGroups, ...other.syncGroups],
    services: [...one.services, ...other.services.filter((service) => !keys.has(JSON.stringify(service.match)))],
    ...(sync === undefined ? {} : { sync }),
    ...(timeouts === undefined ? {} : { timeouts }),
    ...(other.ssh === undefined ? {} : { ssh: other.ssh }),
    ...(other.seen === undefined ? {} : { seen: other.seen }),
    ...(other.network === undefined ? {} : { network: other.network }),
  };
}
