export { execute } from './execute.ts';

import { failure } from '../errors/index.ts';
import type { Facts } from '../platform/facts.ts';
import { parseFiles } from '../resources/file.ts';
import { keyOf, kinds, type Resource } from '../resources/index.ts';
import type { FileWant } from '../resources/kind.ts';
import type { Connection } from '../transport/types.ts';
import { parseFacts } from './facts.ts';
import type { Frame } from './frames.ts';
import { talk } from './session.ts';
import type { Veil, Observation as Veiled } from './veil.ts';

/**
 * Facts beyond the base ones: `network` costs two or three processes on the host, `firewall` some where there is one;
 * `history` tells of all runs, `run:ID` all of one.
 */
export type FactGroup = 'network' | 'firewall' | 'history' | `run:${string}`;

export interface ObserveOptions {
  facts: readonly FactGroup[];
  /** What the host is to have, now that it has said what it is. */
  desire: (facts: Facts) => readonly Resource[];
  /** For errors; `observe` unless told. */
  phase?: string;
  /** Seconds. */
  timeout?: number;
  signal?: AbortSignal;
  /** What hides secrets; without one there are none. */
  veil?: Veil;
}

export interface Observation {
  facts: Facts;
  resources: readonly Resource[];
  /** Each resource's state, by `keyOf`. */
  states: Map<string, unknown>;
}

/**
 * Reads a host in one remote execution with two answers: its facts, then the state of what they make us desire.
 * Changes nothing there.
 * @throws HOST-LOST, HOST-PROTOCOL, INTERRUPTED, and whatever the connection and `desire` throw
 */
export async function observe(connection: Connection, options: ObserveOptions): Promise<Observation> {
  const phase = options.phase ?? 'observe';
  const first = `base ${options.facts.join(' ')} \n`;
  const host = await talk(connection, 'observe', { phase, timeout: options.timeout, signal: options.signal, first });
  try {
    const frames: Frame[] = [];
    const veiled = options.veil?.observation(connection.host);
    const take = (frame: Frame) => {
      const [word, kind] = frame.words;
      const twice = frames.some(({ words }) => words[0] === word && words[1] === kind);
      if (twice && (word === 'base' || word === 'kind')) throw host.broken('a part of its answer came twice');
      frames.push(veiled?.frame(frame) ?? frame);
    };
    for (let frame = await host.next(); frame?.words[0] !== 'ready'; frame = await host.next()) {
      if (frame === undefined) throw host.broken('the host program ended without its facts');
      take(frame);
    }
    const early = parseFacts(frames);
    const told = frames.length;
    const resources = options.desire(early);
    veiled?.asked(resources);
    host.send(requests(resources, early, veiled));
    // No end of input: `go` ends the program, and one packet less is sent.
    for (let frame = await host.next(); frame !== undefined; frame = await host.next()) take(frame);
    // A kind may have asked for more facts only now.
    const more = frames.slice(told).some(({ words }) => words[0] === 'addresses' || words[0] === 'firewall');
    const facts = more ? parseFacts(frames) : early;
    return { facts, resources, states: statesOf(frames, resources, facts) };
  } catch (error) {
    host.kill();
    throw error;
  }
}

/** The lines that ask about every resource: one record each, files of all kinds among them. */
function requests(resources: readonly Resource[], facts: Facts, veiled: Veiled | undefined): string {
  const keys = new Set(resources.map(keyOf));
  if (keys.size !== resources.length) throw new Error('two resources of one host have the same key');
  const lines = resources.flatMap((resource) => {
    const fields = kinds[resource.kind].ask(resource, facts);
    return fields.length === 0 ? [] : [record(resource.kind, fields)];
  });
  const files = new Map<string, FileWant>(
    resources
      .flatMap((resource) => kinds[resource.kind].files?.(resource, facts) ?? [])
      .map((want) => [want.path, want]),
  );
  for (const each of files.values()) {
    const want = veiled?.want(each) ?? each;
    lines.push(record('file', [want.path, want.sha256]));
  }
  return [...lines, 'go\n'].join('');
}

function record(kind: string, fields: readonly string[]): string {
  for (const field of fields) {
    if (field === '') throw new Error(`an empty field in a request about a ${kind}`);
    refuseControl(field);
  }
  return `ask ${kind} ${fields.length}\n${fields.join('\n')}\n`;
}

/** The wire format is lines: a name with a control character in it can't be sent (sha256sum escapes backslashes too). */
function refuseControl(field: string): void {
  if (!/[\u0000-\u001f\u007f\\]/.test(field)) return;
  throw failure({
    code: 'HOST-NAME',
    place: { kind: 'none' },
    what: `${JSON.stringify(field)} holds a control character or a backslash, which no name or path may hold here`,
    next: 'Give it another name in the inventory.',
  });
}

function statesOf(frames: readonly Frame[], resources: readonly Resource[], facts: Facts): Map<string, unknown> {
  const decode = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes ?? new Uint8Array());
  const section = (kind: string) =>
    decode(frames.find(({ words }) => words[0] === 'kind' && words[1] === kind)?.content);
  const contents = new Map(
    frames
      .filter(({ words }) => words[0] === 'content')
      .map(({ words, content }) => [words.slice(1).join(' '), content]),
  );
  const files = parseFiles(section('file'), contents);
  const states = new Map<string, unknown>();
  for (const kind of Object.values(kinds)) {
    const asked = resources.filter((resource) => resource.kind === kind.kind);
    if (asked.length === 0) continue;
    for (const [key, state] of kind.parse({ text: section(kind.kind), facts, files }, asked)) states.set(key, state);
  }
  return states;
}
