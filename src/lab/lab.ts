import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { failure } from '../errors/index.ts';
import type { Ssh } from '../inventory/model.ts';
import { ask, openStream } from './control.ts';
import { ensureKeys, type LabKeys } from './keys.ts';
import { selfCommand } from './paths.ts';
import type { LabFile, MachineStatus } from './protocol.ts';
import { execute, quoted, textSink } from './shell.ts';

/** A lab that runs. */
export interface Lab {
  name: string;
  /** Names, in the inventory's order. */
  hosts: string[];
  /** How SSH reaches a host; the connection itself goes through `openStream` or `proxyCommand`. */
  sshFor(host: string): Ssh;
  /** A byte stream to a port of the host, opened inside the lab's network, over the host's management link. */
  openStream(host: string, port?: number): Promise<Duplex>;
  /** The same as a command for ssh's ProxyCommand, quoted for a shell. */
  proxyCommand(host: string, port?: number): string;
  /** Cuts or gives power; resolves when the hosts are gone, or have started. */
  power(host: string | 'all', action: 'off' | 'on' | 'cycle'): Promise<void>;
  /** Pulls or plugs the cable of a host's interface; of all of them where none is named. */
  link(host: string, action: 'cut' | 'restore', interfaceName?: string): Promise<void>;
  /** Runs a command on a host as root; the words arrive as they are. */
  run(host: string, argv: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }>;
  /** The same with streams, for a terminal or a pipe. */
  runWith(host: string, argv: readonly string[], streams: RunStreams): Promise<number>;
  status(): Promise<MachineStatus[]>;
}

export interface RunStreams {
  stdout: (chunk: Buffer) => void;
  stderr: (chunk: Buffer) => void;
  stdin?: NodeJS.ReadableStream;
  signal?: AbortSignal;
}

/** The lab that a supervisor runs in `folder`. */
export async function attach(folder: string, file: LabFile, cache: string): Promise<Lab> {
  const keys = await ensureKeys(cache);
  const { layout, socket } = file;
  const known = (name: string) => {
    const host = layout.hosts.find((candidate) => candidate.name === name);
    if (host !== undefined) return host;
    throw failure({
      code: 'LAB-UNKNOWN-HOST',
      place: { kind: 'file', file: layout.file },
      what: `the lab of ${layout.name} has no host ${name}`,
      next: `Its hosts are ${layout.hosts.map((host) => host.name).join(', ')}.`,
    });
  };
  const lab: Lab = {
    name: layout.name,
    hosts: layout.hosts.map((host) => host.name),
    sshFor: (name) => sshOf(folder, known(name).management.guest, keys),
    openStream: (name, port = 22) => openStream(socket, known(name).name, port),
    proxyCommand: (name, port = 22) =>
      quoted([...selfCommand(), 'lab', 'stream', socket, known(name).name, String(port)]),
    power: async (name, action) => {
      await ask(socket, { op: 'power', hosts: name === 'all' ? lab.hosts : [known(name).name], action });
    },
    link: async (name, action, interfaceName) => {
      const interfaces = interfaceName === undefined ? [] : [interfaceName];
      await ask(socket, { op: 'link', host: known(name).name, interfaces, action });
    },
    run: async (name, argv) => {
      const [stdout, stderr] = [textSink(), textSink()];
      const code = await lab.runWith(name, argv, { stdout: stdout.write, stderr: stderr.write });
      return { code, stdout: stdout.text(), stderr: stderr.text() };
    },
    runWith: async (name, argv, streams) =>
      await execute(argv, {
        host: known(name).name,
        stream: await lab.openStream(name),
        privateKey: await readFile(keys.identityFile, 'utf8'),
        hostPublicKey: keys.hostPublicKey,
        onStdout: streams.stdout,
        onStderr: streams.stderr,
        ...(streams.stdin === undefined ? {} : { stdin: streams.stdin }),
        ...(streams.signal === undefined ? {} : { signal: streams.signal }),
      }),
    status: () => ask(socket, { op: 'status' }),
  };
  return lab;
}

function sshOf(folder: string, address: string, keys: LabKeys): Ssh {
  return { address, user: 'root', port: 22, identityFile: keys.identityFile, knownHosts: join(folder, 'known_hosts') };
}
