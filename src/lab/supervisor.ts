import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import pLimit from 'p-limit';
import { coreFor, ownCores } from './cores.ts';
import { type Machine, machine } from './machine.ts';
import { wires } from './network.ts';
import type { Hold, LabFile, MachineStatus, Reply, Request } from './protocol.ts';
import { line, readLine } from './wire.ts';

/**
 * A lab's supervisor: the first process of namespaces of its own (user, network, mount, pid). It owns the wires and the
 * hosts. When it ends, by whatever cause, the kernel ends every process of the lab and frees the wires, the mounts and
 * the hosts' disks and memory, which lie on a tmpfs that nobody else sees.
 * @param folder the lab's folder, with lab.json in it
 */
export async function main(folder: string): Promise<void> {
  const lab = JSON.parse(readFileSync(join(folder, 'lab.json'), 'utf8')) as LabFile;
  Object.assign(process.env, lab.env);
  process.on('SIGTERM', () => process.exit(0));
  process.on('SIGINT', () => process.exit(0));
  const memory = join(folder, 'memory');
  mkdirSync(memory, { recursive: true });
  await command('mount', ['-t', 'tmpfs', '-o', 'mode=700,size=100%', 'lvsctl-lab', memory]);
  quietIpv6();
  await command('ip', ['-batch', '-'], `${wires(lab.layout).join('\n')}\n`);
  const machines = new Map<string, Machine>();
  const watchers = new Set<Socket>();
  const hosts = (): MachineStatus[] => [...machines.values()].map((one) => one.status());
  const onChange = (): void => {
    for (const watcher of watchers) reply(watcher, { ok: true, hosts: hosts() });
  };
  const cores = ownCores();
  for (const [index, host] of lab.layout.hosts.entries()) {
    const image = lab.images[host.platform];
    if (image === undefined) throw new Error(`no image for ${host.name}`);
    const disks = {
      cow: join(memory, `${host.name}.cow`),
      base: image.base,
      packages: image.packages,
      config: join(folder, `${host.name}.tar`),
      run: join(memory, 'run'),
    };
    const core = coreFor(index, folder, cores);
    const console = join(folder, `${host.name}.console`);
    machines.set(host.name, machine({ host, linux: lab.linux, disks, memory, console, core, onChange }));
  }
  const control: Control = { lab, machines, hosts, watchers, limit: pLimit(lab.parallel), settled: false };
  const server = createServer({ allowHalfOpen: true }, (socket) => void serve(control, socket));
  rmSync(lab.socket, { force: true });
  server.listen(lab.socket);
  await once(server, 'listening');
  void power(control, [...machines.keys()], 'on').then(
    () => {
      control.settled = true;
    },
    // Each host's status says what failed.
    () => undefined,
  );
}

interface Control {
  lab: LabFile;
  machines: Map<string, Machine>;
  hosts: () => MachineStatus[];
  watchers: Set<Socket>;
  limit: ReturnType<typeof pLimit>;
  /** Every host has once been up: from then on the lab lives by itself. */
  settled: boolean;
}

// The bridges and ends have no business with IPv6 of their own.
function quietIpv6(): void {
  try {
    writeFileSync('/proc/sys/net/ipv6/conf/default/disable_ipv6', '1');
  } catch {
    // A kernel without IPv6.
  }
}

function reply(socket: Socket, message: Reply): void {
  if (socket.writable) socket.write(line(message));
}

async function serve(control: Control, socket: Socket): Promise<void> {
  socket.on('error', () => socket.destroy());
  try {
    await answer(control, socket, JSON.parse(await readLine(socket)) as Request);
  } catch (error) {
    reply(socket, { ok: false, what: error instanceof Error ? error.message : String(error) });
    socket.end();
  }
}

async function answer(control: Control, socket: Socket, request: Request): Promise<void> {
  switch (request.op) {
    case 'status':
      break;
    case 'watch':
      watch(control, socket, request.hold);
      return;
    case 'power':
      await power(control, request.hosts, request.action);
      break;
    case 'link':
      await link(control, request.host, request.interfaces, request.action);
      break;
    case 'stream':
      return await stream(control, socket, request.host, request.port);
    case 'down':
      reply(socket, { ok: true, hosts: control.hosts() });
      socket.end(() => process.exit(0));
      return;
  }
  reply(socket, { ok: true, hosts: control.hosts() });
  socket.end();
}

function watch(control: Control, socket: Socket, hold: Hold): void {
  control.watchers.add(socket);
  socket.resume();
  socket.on('close', () => {
    control.watchers.delete(socket);
    if (hold === 'always' || (hold === 'start' && !control.settled)) process.exit(0);
  });
  socket.on('end', () => socket.end());
  reply(socket, { ok: true, hosts: control.hosts() });
}

function find(control: Control, name: string): Machine {
  const found = control.machines.get(name);
  if (found === undefined) throw new Error(`the lab has no host ${name}`);
  return found;
}

async function power(control: Control, names: string[], action: 'off' | 'on' | 'cycle'): Promise<void> {
  const chosen = names.map((name) => find(control, name));
  if (action !== 'on') await Promise.all(chosen.map((one) => one.off()));
  if (action === 'off') return;
  const results = await Promise.allSettled(
    chosen.map((one) => {
      const { state } = one.status();
      if (state === 'up') return undefined;
      if (state !== 'booting') one.waiting();
      // Its power may have been taken away again before its turn came.
      return control.limit(() => (one.status().state === 'off' ? undefined : one.on()));
    }),
  );
  const failed = results.flatMap((result) => (result.status === 'rejected' ? [String(result.reason.message)] : []));
  if (failed.length > 0) throw new Error(failed.join('; '));
}

async function link(control: Control, name: string, interfaces: string[], action: 'cut' | 'restore'): Promise<void> {
  const one = find(control, name);
  const host = control.lab.layout.hosts.find((candidate) => candidate.name === name);
  const nics = (host?.nics ?? []).filter((nic) => interfaces.length === 0 || interfaces.includes(nic.name));
  if (nics.length === 0) throw new Error(`${name} has no interface ${interfaces.join(', ')}`);
  for (const nic of nics) await command('ip', ['link', 'set', 'dev', nic.port, action === 'cut' ? 'down' : 'up']);
  const names = nics.map((nic) => nic.name);
  const others = one.status().cut.filter((nic) => !names.includes(nic));
  one.setCut(action === 'cut' ? [...others, ...names] : others);
}

async function stream(control: Control, socket: Socket, name: string, port: number): Promise<void> {
  const { state } = find(control, name).status();
  if (state === 'off' || state === 'failed')
    throw new Error(`${name} is ${state === 'off' ? 'without power' : 'down'}`);
  const address = control.lab.layout.hosts.find((host) => host.name === name)?.management.guest ?? '';
  const far = connect({ host: address, port, noDelay: true, allowHalfOpen: true });
  await once(far, 'connect');
  far.on('error', () => socket.destroy());
  socket.on('error', () => far.destroy());
  far.on('close', () => socket.destroySoon());
  socket.on('close', () => far.destroy());
  reply(socket, { ok: true, hosts: [] });
  far.pipe(socket);
  socket.pipe(far);
}

async function command(program: string, args: string[], input = ''): Promise<void> {
  const child = spawn(program, args, { stdio: ['pipe', 'inherit', 'pipe'] });
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString('utf8');
  });
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`${program} ${args.join(' ')}: ${errors.trim()}`);
}
