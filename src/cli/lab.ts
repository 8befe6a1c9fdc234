import { execa } from 'execa';
import { failure } from '../errors/index.ts';
import { loadCluster } from '../inventory/index.ts';
import type { Cluster } from '../inventory/model.ts';
import { type Lab, type LabProgress, labDown, labFind, labUp, type MachineStatus } from '../lab/index.ts';
import type { Phase } from '../report/progress.ts';
import { EXIT, type Output } from './output.ts';

interface LabOptions {
  inventory: string[];
  cluster?: string;
}

const load = (options: LabOptions): Cluster =>
  loadCluster(options.inventory, options.cluster === undefined ? {} : { cluster: options.cluster });

/** `lvsctl lab up|down|status`. */
export async function labCommand(
  name: 'up' | 'down' | 'status',
  options: LabOptions,
  output: Output,
  signal: AbortSignal,
): Promise<number> {
  const cluster = load(options);
  switch (name) {
    case 'up':
      return await up(cluster, output, signal);
    case 'down': {
      const was = await labDown(cluster);
      output.print(
        was ? `The lab of ${cluster.name} is down; its disks are gone.` : `No lab of ${cluster.name} was up.`,
      );
      output.emit('lab', { cluster: cluster.name, state: 'down', was });
      return EXIT.done;
    }
    case 'status': {
      const lab = await labFind(cluster);
      if (lab === undefined) output.print(`The lab of ${cluster.name} is not up.`);
      else await show(cluster, lab, output);
      if (lab === undefined) output.emit('lab', { cluster: cluster.name, state: 'down' });
      return EXIT.done;
    }
  }
}

async function up(cluster: Cluster, output: Output, signal: AbortSignal): Promise<number> {
  if ((await labFind(cluster)) !== undefined) {
    // Also says so where the inventory has changed in the meantime.
    await show(cluster, await labUp(cluster, { signal }), output);
    return EXIT.done;
  }
  const started = Date.now();
  const view = progressView(cluster, output);
  let lab: Lab;
  try {
    lab = await labUp(cluster, { signal, onProgress: view.on });
  } finally {
    await view.end();
  }
  output.print(
    `The lab of ${cluster.name} is up after ${Math.round((Date.now() - started) / 1000)} s: ${lab.hosts.join(', ')}.`,
  );
  output.emit('lab', { cluster: cluster.name, state: 'up', hosts: lab.hosts });
  return EXIT.done;
}

async function show(cluster: Cluster, lab: Lab, output: Output): Promise<void> {
  const hosts = await lab.status();
  output.print(`The lab of ${cluster.name} is up.`);
  for (const host of hosts) output.print(`  ${host.name.padEnd(16)} ${stateText(host)}`);
  output.emit('lab', { cluster: cluster.name, state: 'up', hosts });
}

function stateText(host: MachineStatus): string {
  const cut = host.cut.length === 0 ? '' : `, cable pulled: ${host.cut.join(', ')}`;
  const reason = host.reason === undefined ? '' : `: ${host.reason}`;
  return `${host.state}${reason}${cut}`;
}

/** Shows the lab's progress: notes while things are fetched and built, then one line a host. */
function progressView(
  cluster: Cluster,
  output: Output,
): { on: (event: LabProgress) => void; end: () => Promise<void> } {
  let phase: Promise<Phase> | undefined;
  const on = (event: LabProgress): void => {
    const expected = event.expected === undefined ? '' : ` (about ${event.expected} s)`;
    const { host } = event;
    if (host === undefined) {
      output.progress.note(`${event.phase}: ${event.text}${expected}`);
      if (event.phase === 'boot')
        phase = output.progress.phase(
          'Start',
          cluster.hosts.map((one) => one.name),
        );
      return;
    }
    void phase?.then((shown) => {
      if (event.text === 'up') shown.done(host, 'up');
      else if (event.text === 'failed') shown.failed(host);
      else shown.update(host, event.text);
    });
  };
  return { on, end: async () => await (await phase)?.end() };
}

async function running(cluster: Cluster): Promise<Lab> {
  const lab = await labFind(cluster);
  if (lab !== undefined) return lab;
  throw failure({
    code: 'LAB-NOT-UP',
    place: { kind: 'none' },
    what: `the lab of ${cluster.name} is not up`,
    next: `Start it: lvsctl lab up -i ${cluster.file}`,
  });
}

/** `lvsctl lab run HOST -- COMMAND…`: its output and exit code are the command's own. */
export async function labRun(host: string, command: string[], options: LabOptions, _output: Output): Promise<number> {
  const lab = await running(load(options));
  // The command line keeps the `--` that ends lvsctl's own options.
  const words = command[0] === '--' ? command.slice(1) : command;
  try {
    return await lab.runWith(host, words, {
      stdout: (chunk) => void process.stdout.write(chunk),
      stderr: (chunk) => void process.stderr.write(chunk),
      stdin: process.stdin,
    });
  } finally {
    process.stdin.destroy();
  }
}

/** `lvsctl lab ssh HOST`: a shell, by the system's ssh. */
export async function labSsh(host: string, options: LabOptions, _output: Output): Promise<number> {
  const lab = await running(load(options));
  const { address, identityFile = '', knownHosts = '' } = lab.sshFor(host);
  const words = [
    ...['-F', 'none', '-i', identityFile, '-o', 'IdentitiesOnly=yes', '-o', `UserKnownHostsFile=${knownHosts}`],
    ...['-o', 'StrictHostKeyChecking=yes', '-o', `ProxyCommand=${lab.proxyCommand(host).replaceAll('%', '%%')}`],
    ...['-o', 'LogLevel=ERROR', `root@${address}`],
  ];
  const result = await execa('ssh', words, { stdio: 'inherit', reject: false });
  if (result.code === 'ENOENT') {
    throw failure({
      code: 'LAB-NO-SSH',
      place: { kind: 'none' },
      what: 'the ssh program is not on this machine',
      next: 'Install openssh-client, or use lvsctl lab run',
    });
  }
  return result.exitCode ?? EXIT.error;
}

/** `lvsctl lab power off|on|cycle [HOST]`. */
export async function labPower(
  what: string,
  host: string | undefined,
  options: LabOptions,
  output: Output,
  _signal: AbortSignal,
): Promise<number> {
  if (what !== 'off' && what !== 'on' && what !== 'cycle') {
    throw failure({
      code: 'LAB-POWER',
      place: { kind: 'none' },
      what: `power can be off, on or cycle, not ${what}`,
      next: 'For instance: lvsctl lab power cycle director',
    });
  }
  const cluster = load(options);
  const lab = await running(cluster);
  const started = Date.now();
  const all = host === undefined ? 'all machines' : host;
  output.progress.note(`Power ${what}: ${all} …`);
  await lab.power(host ?? 'all', what);
  const seconds = Math.round((Date.now() - started) / 1000);
  const done = { off: 'without power', on: 'up', cycle: 'up again' }[what];
  output.print(
    `${host === undefined ? `All ${lab.hosts.length} machines are` : `${host} is`} ${done}, after ${seconds} s.`,
  );
  output.emit('power', { cluster: cluster.name, action: what, hosts: host === undefined ? lab.hosts : [host] });
  return EXIT.done;
}
