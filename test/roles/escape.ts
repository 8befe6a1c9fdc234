import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { expect } from 'vitest';
import { parse, stringify } from 'yaml';
import { LvsctlError } from '../../src/errors/index.ts';
import { loadCluster } from '../../src/inventory/index.ts';
import { desire } from '../../src/roles/index.ts';
import { facts } from '../inventories/facts.ts';
import { folder } from '../inventory/files.ts';
import { HOSTILE } from '../inventory/mutations.ts';

/**
 * Each text of an inventory is put to a word that means something to somebody: it is refused where it stands, or it
 * lands in the files of the hosts as these bytes, in the lines in which a harmless word would stand, and nowhere else.
 */

const root = fileURLToPath(new URL('../../', import.meta.url));
const SOURCES = [
  'inventories/proxies-tomcat.yaml',
  'inventories/nat-keepalived.yaml',
  'inventories/tun.yaml',
  'test/roles/keepalived/all.yaml',
];

/** What those don't say. */
const MORE = `version: 1
name: more
hosts:
  a:
    ssh: { user: admin, identity_file: ./key }
    dns: [10.0.0.53]
    time: { servers: [ntp.example.net] }
    vars: { rack: shelf }
    sysctls: { net.core.somaxconn: "4096 1" }
    packages: [conntrack]
    modules: [nf_conntrack]
    files: { /etc/motd: { content: "welcome\\n", owner: root, group: root } }
    units: { cron.service: {} }
    interfaces:
      bond0: { bond: { mode: 802.3ad, members: [eno1, eno2], options: { xmit_hash_policy: layer3+4 } }, mtu: 1500 }
      bond0.30: { vlan: { parent: bond0, id: 30 }, addresses: [10.0.0.2/24], gateway: 10.0.0.1, segment: servers, routes: [{ to: 10.9.0.0/16, via: 10.0.0.254 }] }
web_servers: { pages: { software: nginx, hosts: [a], port: 80, index: "page of {{ host.name }}\\n" } }
firewall: { manage: true, trusted: [10.0.0.0/8] }
`;

interface Source {
  /** Where scripts and files are looked up. */
  beside: string;
  text: string;
}

const sources: Source[] = [
  ...SOURCES.map((path) => ({ beside: dirname(join(root, path)), text: readFileSync(join(root, path), 'utf8') })),
  { beside: root, text: MORE },
];

type Path = (string | number)[];

/** The places of all texts: values, and keys that are names. */
function textsOf(node: unknown, path: Path = []): { path: Path; key: boolean }[] {
  if (typeof node === 'string') return [{ path, key: false }];
  if (typeof node !== 'object' || node === null) return [];
  return Object.entries(node).flatMap(([key, one]) => {
    const below = textsOf(one, [...path, Array.isArray(node) ? Number(key) : key]);
    return Array.isArray(node) ? below : [{ path: [...path, key], key: true }, ...below];
  });
}

/** The same document with a word in the place of a text, or of a name and of all that refers to it. */
function replaced(node: unknown, { path, key }: { path: Path; key: boolean }, word: string): unknown {
  const old = String(path.at(-1));
  const walk = (one: unknown, at: Path): unknown => {
    const here = at.length === path.length && at.every((part, index) => part === path[index]);
    if (!key && here) return word;
    if (key && one === old) return word;
    if (key && typeof one === 'string' && one.split('.').includes(old))
      return one
        .split('.')
        .map((part) => (part === old ? word : part))
        .join('.');
    if (Array.isArray(one)) return one.map((item, index) => walk(item, [...at, index]));
    if (typeof one !== 'object' || one === null) return one;
    const made = {};
    for (const [name, item] of Object.entries(one)) {
      Object.defineProperty(made, key && name === old ? word : name, {
        value: walk(item, [...at, name]),
        enumerable: true,
      });
    }
    return made;
  };
  return walk(node, []);
}

type Read = { lines: string[] } | { refused: readonly { code: string; line: number | undefined }[] };

/** Every line of every file that hosts get, and every word that is handed to their shell; or why there are none. */
function read({ beside, text }: Source, document: unknown): Read {
  const at = folder({ 'ok.sh': '#!/bin/sh\n', key: 'key\n' });
  const file = join(at, 'lvs.yaml');
  const whole = typeof document === 'string' ? document : stringify(document ?? parse(text), { lineWidth: 0 });
  writeFileSync(file, whole.replaceAll('./ok.sh', join(beside, 'ok.sh')));
  try {
    const cluster = loadCluster([file]);
    const managed = cluster.hosts.filter(({ managed: own }) => own);
    return {
      lines: managed.flatMap(({ name }) => desire(cluster, name, facts())).flatMap(({ resource }) => linesOf(resource)),
    };
  } catch (error) {
    if (!(error instanceof LvsctlError)) throw error;
    return {
      refused: error.problems.map(({ code, place }) => ({
        code,
        line: place.kind === 'file' ? place.line : undefined,
      })),
    };
  }
}

function linesOf(value: unknown): string[] {
  if (typeof value === 'string') return value.split('\n');
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, one]) => [key, ...linesOf(one)]);
}

/** A word that no inventory has, of letters that stand everywhere. */
const HARMLESS = 'zqword';

/** Tries so many words in so many places. Gives how many were refused and how many arrived. */
export function tryWords(runs: number): { refused: number; arrived: number } {
  const count = { refused: 0, arrived: 0 };
  const all = sources.flatMap((source) => textsOf(parse(source.text)).map((place) => ({ source, place })));
  fc.assert(
    fc.property(fc.constantFrom(...all), fc.constantFrom(...HOSTILE), ({ source, place }, word) => {
      const document = parse(source.text);
      const found = read(source, replaced(document, place, word));
      if ('refused' in found) {
        count.refused += 1;
        for (const { code, line } of found.refused) expect(line, code).toBeGreaterThanOrEqual(1);
        return;
      }
      // Where a harmless word is refused too, only the words that are known there go: nothing of its own can arrive.
      const plain = read(source, replaced(document, place, HARMLESS));
      if ('refused' in plain) return;
      count.arrived += 1;
      // A template is a program of the operator's own: what it prints may well be another text.
      if (place.path.includes('index') && /\{[{%]|%\}/.test(word)) return;
      // A file's content, and a page, is as long as it says.
      const ownText = place.path.includes('content') || place.path.includes('index');
      if (word === '' || (ownText && /\s/.test(word))) return;
      // Digests, identifiers and firewall marks follow from names, and so does the order.
      const shape = (line: string) =>
        line
          .replaceAll(HARMLESS, '•')
          .replaceAll(word, '•')
          // What needs quotes for a program that reads it has them.
          .replace(/(['"])•\1/g, '•')
          .replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32,}/g, 'ID')
          .replace(/\b(fwmark|mark|set|-f) \d{5,6}\b/g, '$1 MARK');
      const [own, theirs] = [found.lines.map(shape).toSorted(), plain.lines.map(shape).toSorted()];
      const strange = own.filter((line, index) => line !== theirs[index]);
      expect({ place: place.path.join('.'), word, strange: strange.slice(0, 5), count: own.length }).toEqual({
        place: place.path.join('.'),
        word,
        strange: [],
        count: theirs.length,
      });
    }),
    { numRuns: runs, endOnFailure: true, seed: 20261121 },
  );
  return count;
}
