import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve as resolvePath } from 'node:path';
import { failure, LvsctlError } from '../errors/index.ts';
import {
  type Answers,
  type HostAnswer,
  type Read,
  readCidr,
  readHost,
  readInterface,
  readMode,
  readName,
  readPath,
  readPort,
  readVip,
} from '../init/answers.ts';
import { inventoryText } from '../init/text.ts';
import { parseSource } from '../inventory/document.ts';
import { resolveCluster } from '../inventory/resolve.ts';
import { suggestion } from '../inventory/suggest.ts';
import { validateDocument } from '../inventory/validate.ts';
import { packageRoot } from '../templates/root.ts';
import { type Asker, openAsker } from './asker.ts';
import { writeNew } from './import.ts';
import { EXIT, type Output } from './output.ts';

/** Flags as they were typed; what is absent is asked for on a terminal. */
export interface InitOptions {
  out: string;
  from?: string;
  name?: string;
  mode?: string;
  vip?: string;
  port?: string;
  director?: string[];
  realServer?: string[];
  inside?: string[];
  insideVip?: string;
  interface?: string;
  insideInterface?: string;
  check?: string;
}

/** `lvsctl init`: writes a first inventory from flags and answers, or a copy of an example; never over a file. */
export async function initCommand(options: InitOptions, output: Output): Promise<number> {
  const text = options.from === undefined ? await written(options, output) : example(options.from);
  writeNew(options.out, text);
  output.print(`Written: ${options.out}. Look it through, then: lvsctl validate -i ${options.out}`);
  output.emit('written', { file: options.out, inventory: text });
  return EXIT.done;
}

/** An inventory that comes with lvsctl. @throws CLI-UNKNOWN-EXAMPLE */
function example(name: string): string {
  const folder = join(packageRoot(), 'inventories');
  const names = readdirSync(folder)
    .filter((file) => file.endsWith('.yaml'))
    .map((file) => file.slice(0, -'.yaml'.length));
  if (!names.includes(name)) {
    throw failure({
      code: 'CLI-UNKNOWN-EXAMPLE',
      place: { kind: 'none' },
      what: `there is no example “${name}”`,
      next: suggestion(name, names),
    });
  }
  // The schema is found beside the package, and not from here.
  return readFileSync(join(folder, `${name}.yaml`), 'utf8').replace(/^# yaml-language-server:.*\n/, '');
}

async function written(options: InitOptions, output: Output): Promise<string> {
  const asker = openAsker(output.interactive);
  try {
    const answers = await gather(options, asker);
    const text = inventoryText(answers);
    check(resolvePath(options.out), text);
    return text;
  } finally {
    asker.close();
  }
}

/** What the answers make must be an inventory: two hosts with one address, say, are told here. */
function check(file: string, text: string): void {
  const document = parseSource(file, text);
  if ('problems' in document) throw new LvsctlError(document.problems);
  const { inventory, problems, pruned } = validateDocument(document);
  const found = [...problems, ...(inventory === undefined ? [] : resolveCluster(document, inventory, pruned).problems)];
  // The file isn't there: its lines would tell nobody anything.
  if (found.length > 0) throw new LvsctlError(found.map((one) => ({ ...one, place: { kind: 'none' as const } })));
}

async function gather(options: InitOptions, asker: Asker): Promise<Answers> {
  const one = <T>(
    flag: string,
    said: string | undefined,
    question: string,
    read: (text: string) => Read<T>,
    usual?: string,
  ) => (said === undefined ? asker.ask(flag, question, read, usual) : Promise.resolve(flagged(flag, said, read)));
  const name = await one('--name', options.name, 'Name of the cluster', readName, 'web');
  const mode = await one('--mode', options.mode, 'Mode: dr, nat, tun or fullnat', readMode, 'dr');
  const vip = await one('--vip', options.vip, 'Virtual IP', readVip);
  const port = await one('--port', options.port, 'Port', readPort, '80');
  const device = await one('--interface', options.interface, 'Interface of the hosts', readInterface, 'eth0');
  const directors = await hosts(
    '--director',
    options.director,
    'Director, as NAME=ADDRESS/PREFIX,GATEWAY',
    'A second director makes a pair',
    2,
    asker,
  );
  let insideInterface = 'eth1';
  let insideVip: string | undefined;
  if (mode === 'nat') {
    insideInterface = await one(
      '--inside-interface',
      options.insideInterface,
      'Interface towards the real servers',
      readInterface,
      'eth1',
    );
    await insides(directors, options.inside ?? [], one);
    if (directors.length > 1)
      insideVip = await one(
        '--inside-vip',
        options.insideVip,
        'Floating address that is the real servers’ gateway, as ADDRESS/PREFIX',
        readCidr,
      );
  }
  const realServers = await hosts(
    '--real-server',
    options.realServer,
    'Real server, as NAME=ADDRESS/PREFIX,GATEWAY',
    'Another real server',
    100,
    asker,
  );
  const checkPath = options.check === undefined ? undefined : flagged('--check', options.check, readPath);
  return {
    name,
    mode,
    vip,
    port,
    interface: device,
    insideInterface,
    directors,
    realServers,
    ...(insideVip === undefined ? {} : { insideVip }),
    ...(checkPath === undefined ? {} : { checkPath }),
  };
}

/** nat: each director's address on the real servers' side. */
async function insides(
  directors: HostAnswer[],
  said: readonly string[],
  one: (
    flag: string,
    said: string | undefined,
    question: string,
    read: (text: string) => Read<string>,
  ) => Promise<string>,
): Promise<void> {
  for (const director of directors) {
    const own = said.find((text) => text.startsWith(`${director.name}=`))?.slice(director.name.length + 1);
    director.inside = await one(
      '--inside',
      own,
      `Address of ${director.name} towards the real servers, as ADDRESS/PREFIX`,
      readCidr,
    );
  }
}

async function hosts(
  flag: string,
  said: readonly string[] | undefined,
  question: string,
  further: string,
  most: number,
  asker: Asker,
): Promise<HostAnswer[]> {
  const found = (said ?? []).map((text) => flagged(flag, text, readHost));
  if (found.length > most) {
    throw failure({
      code: 'CLI-USAGE',
      place: { kind: 'none' },
      what: `${flag} is said ${found.length} times, and ${most} is the most`,
      next: 'Add further hosts to the file.',
    });
  }
  if (said !== undefined) return found;
  found.push(await asker.ask(flag, question, readHost));
  while (found.length < most) {
    const more = await asker.more(`${further}; empty: no more`, readHost);
    if (more === undefined) break;
    found.push(more);
  }
  return found;
}

/** @throws CLI-USAGE */
function flagged<T>(flag: string, text: string, read: (text: string) => Read<T>): T {
  const found = read(text);
  if ('value' in found) return found.value;
  throw failure({
    code: 'CLI-USAGE',
    place: { kind: 'none' },
    what: `${flag} can’t be “${text.replace(/[\u0000-\u001f\u007f-\u009f]/g, '�').slice(0, 60)}”`,
    next: `${found.wrong.charAt(0).toUpperCase()}${found.wrong.slice(1)}.`,
  });
}
