import { setMaxListeners } from 'node:events';
import { realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { watchStreams } from './streams.ts';
import { VERSION } from './version.ts';

/** The options that every command takes. */
interface Common {
  json?: boolean;
}

/** What a command is: options in, exit code out. */
type Run = (output: import('./output.ts').Output, signal: AbortSignal) => Promise<number>;

/** Runs a command with its output, Ctrl-C and errors taken care of, and sets the exit code. */
async function act(options: Common, run: Run): Promise<void> {
  const { makeOutput, reportError, EXIT } = await import('./output.ts');
  const output = makeOutput(options.json === true);
  const controller = new AbortController();
  // Every host that is being read listens: Node would warn of a leak.
  setMaxListeners(0, controller.signal);
  let presses = 0;
  const stop = (): void => {
    presses += 1;
    if (presses > 2) process.exit(EXIT.interrupted);
    if (presses === 1) output.progress.note('Stopping at the next safe point (Ctrl-C twice more: at once) …');
    controller.abort();
  };
  // A terminal that goes tells it more than once.
  const hangUp = (): void => controller.abort();
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  process.on('SIGHUP', hangUp);
  let code: number;
  try {
    code = await run(output, controller.signal);
  } catch (error) {
    code = reportError(error, output, controller.signal.aborted);
  }
  if (controller.signal.aborted) code = EXIT.interrupted;
  process.off('SIGINT', stop);
  process.off('SIGTERM', stop);
  process.off('SIGHUP', hangUp);
  process.exitCode = code;
}

/** An empty list is what a script passes whose variable isn't set: it must not mean “none”, nor “all”. */
function list(value: string): string[] {
  const items = value
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
  if (items.length === 0) throw new InvalidArgumentError('Name at least one host.');
  return items;
}

function collect(value: string, previous: string[] | undefined): string[] {
  if (value === '') throw new InvalidArgumentError('Name a file or a folder.');
  return [...(previous ?? []), value];
}

function positive(value: string): number {
  const number = Number(value);
  if (!Number.isInteger(number) || number < 1) throw new InvalidArgumentError('It must be a whole number above 0.');
  return number;
}

function atLeast(least: number): (value: string) => number {
  return (value) => {
    const number = positive(value);
    if (number < least) throw new InvalidArgumentError(`It must be at least ${least}.`);
    return number;
  };
}

function whole(value: string): number {
  if (!/^\d+$/.test(value)) throw new InvalidArgumentError('It must be a whole number, 0 or more.');
  return Number(value);
}

function serial(value: string): { hosts: number } | { percent: number } {
  const [, number, unit] = /^(\d+)(%)?$/.exec(value) ?? [];
  if (number === undefined || Number(number) < 1) throw new InvalidArgumentError('Say it as 2, or as 25%.');
  if (unit === undefined) return { hosts: Number(number) };
  if (Number(number) > 100) throw new InvalidArgumentError('A share is at most 100%.');
  return { percent: Number(number) };
}

/** Seconds of `90`, `90s`, `5m` or `1h`. */
function duration(value: string): number {
  const [, number, unit = 's'] = /^(\d+)([smh])?$/.exec(value) ?? [];
  if (number === undefined) throw new InvalidArgumentError('Say it as 90s, 5m or 1h.');
  return Number(number) * { s: 1, m: 60, h: 3600 }[unit as 's' | 'm' | 'h'];
}

const inventory = (): Option =>
  new Option('-i, --inventory <file>', 'inventory: a file, several (say it again), or a folder').argParser(collect);
const cluster = (): Option => new Option('--cluster <name>', 'which cluster, where the inventory holds several');
const strict = (): Option => new Option('--strict', 'take warnings for errors');
const format = (): Option =>
  new Option('--format <form>', 'how findings are printed')
    .choices(['pretty', 'json', 'sarif', 'github', 'junit'])
    .default('pretty')
    .conflicts('json');
const json = (): Option => new Option('--json', 'JSON lines instead of text');

function withHosts(command: Command): Command {
  return withReach(command).addOption(
    new Option('--limit <hosts>', 'only these hosts, separated by commas').argParser(list),
  );
}

/** What decides how gently a plan treats requests that are being served. */
function draining(command: Command): Command {
  return command
    .option('--no-drain', 'change real servers while they serve: requests that a change cuts are lost')
    .addOption(
      new Option('--drain-timeout <time>', 'wait so long for what a real server serves to end, e.g. 90s').argParser(
        duration,
      ),
    );
}

/** What every command that changes hosts takes. */
function changing(command: Command): Command {
  return command
    .option('--yes', 'do not ask')
    .option('--skip-unreachable', 'leave out hosts that cannot be reached')
    .addOption(new Option('--step-timeout <seconds>', 'time for one step on a host').argParser(positive).default(600))
    .addOption(
      new Option('--confirm-timeout <seconds>', 'a host takes its changes back unless they are confirmed in this time')
        .argParser(atLeast(10))
        .default(60),
    )
    .option('--no-confirm', 'hosts take nothing back by themselves: a wrong step may strand them')
    .addOption(new Option('--lock-wait <time>', 'wait for hosts that another run holds, e.g. 5m').argParser(duration))
    .addOption(
      new Option('--serial <hosts>', 'change so many at once: a number, or a share such as 25%').argParser(serial),
    )
    .option('--canary <host>', 'change this host before all others')
    .addOption(
      new Option('--max-fail <n>', 'begin nothing more when more hosts failed; 0 with --serial').argParser(whole),
    );
}

function withReach(command: Command): Command {
  return command
    .addOption(inventory())
    .addOption(cluster())
    .option('--lab', "aim at the inventory's lab in place of its real hosts")
    .addOption(
      new Option('--transport <way>', 'how hosts are reached')
        .choices(['node-ssh', 'openssh', 'local'])
        .default('node-ssh'),
    )
    .addOption(new Option('--parallel <n>', 'hosts at once').argParser(positive).default(50))
    .option('--accept-new-host-keys', 'trust hosts that are not yet in known_hosts, and remember them')
    .addOption(new Option('--connect-timeout <seconds>', 'time to connect').argParser(positive))
    .addOption(new Option('--timeout <seconds>', 'time to read a host').argParser(positive).default(60))
    .addOption(json());
}

/** The command line. Each command's code is loaded when it is given. */
export function makeProgram(): Command {
  const program = new Command('lvsctl')
    .description('Deploys Linux Virtual Server clusters from one inventory.')
    .version(VERSION, '-V, --version')
    .showSuggestionAfterError()
    // Errors are thrown, and printed by `usageError` as all others are.
    .configureOutput({ outputError: () => undefined })
    .exitOverride()
    .enablePositionalOptions();

  program
    .command('init')
    .description('write a first inventory: by flags, by a short dialogue, or as a copy of an example')
    .option('--from <example>', 'copy an inventory that comes with lvsctl, e.g. nat-two-nic')
    .option('--name <name>', 'the cluster’s name')
    .option('--mode <mode>', 'dr, nat, tun or fullnat')
    .option('--vip <address>', 'the virtual IP')
    .option('--port <port>', 'port of the service')
    .addOption(
      new Option('--director <host>', 'NAME=ADDRESS/PREFIX[,GATEWAY]; a second one makes a pair').argParser(collect),
    )
    .addOption(
      new Option('--real-server <host>', 'NAME=ADDRESS/PREFIX[,GATEWAY], as often as needed').argParser(collect),
    )
    .option('--interface <name>', 'the hosts’ interface')
    .addOption(
      new Option('--inside <host>', 'nat: NAME=ADDRESS/PREFIX of a director on the real servers’ side').argParser(
        collect,
      ),
    )
    .option('--inside-interface <name>', 'nat: the interface on the real servers’ side')
    .option('--inside-vip <address>', 'nat with a pair: ADDRESS/PREFIX of the real servers’ gateway, which floats')
    .option('--check <path>', 'a page that tells whether a real server is well; a connection when left out')
    .option('--out <file>', 'where it is written; never over a file', 'lvs.yaml')
    .addOption(json())
    .action(async (options) =>
      act(options, async (output) => (await import('./init.ts')).initCommand(options, output)),
    );

  program
    .command('validate')
    .description('check the inventory; touches no host')
    .option('--resolved', 'print everything that follows from it, and where each value comes from')
    .addOption(strict())
    .addOption(format())
    .addOption(inventory())
    .addOption(cluster())
    .addOption(json())
    .action(async (options) =>
      act(options, async (output) => (await import('./validate.ts')).validateCommand(withInventory(options), output)),
    );

  withReach(program.command('import'))
    .description('describe running hosts, or their keepalived.conf, ipvsadm -Sn and others, as an inventory')
    .argument('[file...]', 'files, NAME=FILE where several hosts have some, or folders')
    .addOption(
      new Option('--host <host>', 'read this host, as ssh names it; as often as needed').argParser(
        (value: string, previous: string[] | undefined) => [...(previous ?? []), value],
      ),
    )
    .option('--sudo', 'read hosts as root by sudo')
    .option('--out <file>', 'write the inventory there; never over a file')
    .addOption(new Option('--name <name>', 'the cluster’s name').default('imported'))
    .action(async (files: string[], options) =>
      act(options, async (output, signal) =>
        (await import('./import.ts')).importCommand(files, withInventory(options), output, signal),
      ),
    );

  program
    .command('lint')
    .description('say what is wrong or fragile in keepalived.conf files; several are the nodes of one cluster')
    .argument('<file...>', 'files, NAME=FILE where a file is several hosts’')
    .addOption(strict())
    .addOption(format())
    .addOption(json())
    .action(async (files: string[], options) =>
      act(options, async (output) => (await import('./lint.ts')).lintCommand(files, options, output)),
    );

  withReach(program.command('audit'))
    .description('say what is wrong or fragile on running hosts: directors, pairs, real servers; needs no inventory')
    .argument('<host...>', 'as ssh names them: lvs1, root@lvs1, lvs1:2222; with --lab machines of the lab')
    .option('--sudo', 'read as root by sudo')
    .addOption(strict())
    .addOption(format())
    .action(async (hosts: string[], options) =>
      act(options, async (output, signal) =>
        (await import('./audit.ts')).auditCommand(hosts, withInventory(options), output, signal),
      ),
    );

  program
    .command('explain')
    .description('say what a code means: what is wrong, why, what to write instead, with an example')
    .argument('<code>', 'as errors and findings show it, e.g. LVS-SCHED-001')
    .addOption(json())
    .action(async (code: string, options) =>
      act(options, async (output) => (await import('./explain.ts')).explainCommand(code, output)),
    );

  program
    .command('rules')
    .description('list all rules that inventories are held against')
    .addOption(json())
    .action(async (options) => act(options, async (output) => (await import('./rules.ts')).rulesCommand(output)));

  program
    .command('schema')
    .description('print the JSON Schema of the inventory, for editors')
    .action(async () => act({}, async (output) => (await import('./schema.ts')).schemaCommand(output)));

  withReach(program.command('path'))
    .description("walk a client's packet through the cluster, there and back; touches no host but with --live")
    .option('--from <host>', 'the client; the one that is described when left out')
    .requiredOption('--to <target>', 'a service, a host or an address, with :port where it matters')
    .option('--via <host>', 'only the ways through this real server')
    .option('--live', 'through the hosts as they are, not as they are described')
    .action(async (options) =>
      act(options, async (output, signal) =>
        (await import('./path.ts')).pathCommand(withInventory(options), output, signal),
      ),
    );

  program
    .command('graph')
    .description("draw the cluster, and a client's ways through it; touches no host")
    .option('--to <target>', 'draw the ways to this service, host or address; to the first service when left out')
    .option('--from <host>', 'the client; the first that is described when left out')
    .option('--no-ways', 'draw no ways')
    .addOption(
      new Option('--format <form>', "the drawing's form; by the file's name when left out").choices(['mermaid', 'svg']),
    )
    .option('--out <file>', 'write the drawing there; never over a file')
    .addOption(inventory())
    .addOption(cluster())
    .addOption(json())
    .action(async (options) =>
      act(options, async (output) => (await import('./graph.ts')).graphCommand(withInventory(options), output)),
    );

  draining(withHosts(program.command('plan')))
    .description('show what would change, host by host; changes nothing')
    .option('--out <file>', 'save the plan, for lvsctl apply <file>')
    .option('--detailed-exitcode', 'exit 2 when there are changes')
    .addOption(strict())
    .action(async (options) =>
      act(options, async (output, signal) =>
        (await import('./plan.ts')).planCommand(withInventory(options), output, signal),
      ),
    );

  draining(changing(withHosts(program.command('apply'))))
    .description('bring the hosts to what the inventory describes, or run a saved plan')
    .argument('[planfile]', 'a plan saved by lvsctl plan --out')
    .addOption(
      new Option('--health-timeout <seconds>', 'hosts and services are to be well in this time after a change')
        .argParser(positive)
        .default(120),
    )
    .option('--no-health', 'look after no hosts and services: a change that breaks one goes on')
    .addOption(strict())
    .action(async (planfile: string | undefined, options) =>
      act(options, async (output, signal) => {
        const { applyInventory, applySaved } = await import('./apply.ts');
        return planfile === undefined
          ? applyInventory(withInventory(options), output, signal)
          : applySaved(planfile, options, output, signal);
      }),
    );

  changing(withHosts(program.command('destroy')))
    .description('give the hosts back as they were before lvsctl')
    .option('--keep-packages', 'leave what lvsctl installed')
    .action(async (options) =>
      act(options, async (output, signal) =>
        (await import('./destroy.ts')).destroyCommand(withInventory(options), output, signal),
      ),
    );

  withHosts(program.command('history'))
    .description('what was done on the hosts, newest first')
    .argument('[host]', 'one host; all when left out')
    .action(async (host: string | undefined, options) =>
      act(options, async (output, signal) =>
        (await import('./history.ts')).historyCommand(host, withInventory(options), output, signal),
      ),
    );

  withHosts(program.command('show'))
    .description('what a run changed, host by host')
    .argument('<id>', 'a run, or how its id begins')
    .action(async (id: string, options) =>
      act(options, async (output, signal) =>
        (await import('./history.ts')).showCommand(id, withInventory(options), output, signal),
      ),
    );

  draining(changing(withHosts(program.command('rollback'))))
    .description('take back what a run changed')
    .option('--out <file>', 'save the plan, for lvsctl apply <file>, and change nothing')
    .argument('[id]', 'a run, or how its id begins; the last one when left out')
    .action(async (id: string | undefined, options) =>
      act(options, async (output, signal) =>
        (await import('./rollback.ts')).rollbackCommand(id, withInventory(options), output, signal),
      ),
    );

  withReach(program.command('unlock'))
    .description('break the lease of a run that is gone for good')
    .argument('<host>')
    .option('--yes', 'do not ask')
    .action(async (host: string, options) =>
      act(options, async (output, signal) =>
        (await import('./unlock.ts')).unlockCommand(host, withInventory(options), output, signal),
      ),
    );

  withHosts(program.command('verify'))
    .description('ask the cluster for traffic and say which hop fails')
    .addOption(new Option('--requests <n>', 'requests from each client to each VIP').argParser(positive).default(40))
    .action(async (options) =>
      act(options, async (output, signal) =>
        (await import('./verify.ts')).verifyCommand(withInventory(options), output, signal),
      ),
    );

  const lab = program.command('lab').description('rehearse the inventory as real kernels on this machine');
  for (const [name, about] of [
    ['up', "start the inventory's machines"],
    ['down', 'end them and forget their disks'],
    ['status', 'say what runs'],
  ] as const) {
    lab
      .command(name)
      .description(about)
      .addOption(inventory())
      .addOption(cluster())
      .addOption(json())
      .action(async (options) =>
        act(options, async (output, signal) =>
          (await import('./lab.ts')).labCommand(name, withInventory(options), output, signal),
        ),
      );
  }
  lab
    .command('ssh')
    .description('open a shell on a machine of the lab')
    .argument('<host>')
    .addOption(inventory())
    .addOption(cluster())
    .action(async (host: string, options) =>
      act(options, async (output) => (await import('./lab.ts')).labSsh(host, withInventory(options), output)),
    );
  lab
    .command('run')
    .description('run a command on a machine of the lab, passing on its output and exit code')
    .argument('<host>')
    .argument('<command...>')
    .passThroughOptions()
    .addOption(inventory())
    .addOption(cluster())
    .action(async (host: string, command: string[], options) =>
      act(options, async (output) => (await import('./lab.ts')).labRun(host, command, withInventory(options), output)),
    );
  lab
    .command('power')
    .description("cut or give a machine's power: the process ends as if the plug were pulled")
    .argument('<what>', 'off, on or cycle')
    .argument('[host]', 'one machine; all when left out')
    .addOption(inventory())
    .addOption(cluster())
    .addOption(json())
    .action(async (what: string, host: string | undefined, options) =>
      act(options, async (output, signal) =>
        (await import('./lab.ts')).labPower(what, host, withInventory(options), output, signal),
      ),
    );
  lab
    .command('stream', { hidden: true })
    .argument('<socket>')
    .argument('<host>')
    .argument('[port]')
    .action(async (socket: string, host: string, port: string | undefined) => {
      await (await import('../lab/stream.ts')).main(socket, host, Number(port ?? 22));
    });
  lab
    .command('supervisor', { hidden: true })
    .argument('<folder>')
    .action(async (folder: string) => {
      await (await import('../lab/supervisor.ts')).main(folder);
    });

  program
    .command('demo')
    .description('the whole story on real kernels: lab, plan, apply, traffic, power cut')
    .addOption(inventory())
    .action(async (options) =>
      act(options, async (output, signal) => (await import('./demo.ts')).demoCommand(options, output, signal)),
    );

  return program;
}

function withInventory<O extends { inventory?: string[] }>(options: O): O & { inventory: string[] } {
  return { ...options, inventory: options.inventory ?? ['lvs.yaml'] };
}

/** Runs the command line of this process. */
export async function main(argv: readonly string[]): Promise<void> {
  watchStreams();
  if (argv.length === 3 && (argv[2] === '--version' || argv[2] === '-V')) {
    process.stdout.write(`${VERSION}\n`);
    return;
  }
  const program = makeProgram();
  if (argv[2] === 'completion' || argv[2] === 'complete') (await import('./completion.ts')).addCompletion(program);
  else program.command('completion').description('print the completion script of a shell: bash, zsh, fish, powershell');
  try {
    await program.parseAsync([...argv]);
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    await usageError(error, argv);
  }
}

/** Prints what is wrong with the command line; help and version, which commander throws too, are printed already. */
async function usageError(error: CommanderError, argv: readonly string[]): Promise<void> {
  process.exitCode = error.exitCode;
  if (error.exitCode === 0 || error.code === 'commander.help') return;
  const words = argv.includes('--') ? argv.slice(0, argv.indexOf('--')) : argv;
  const { makeOutput } = await import('./output.ts');
  makeOutput(words.includes('--json')).problems([
    {
      code: 'CLI-USAGE',
      place: { kind: 'none' },
      what: error.message.replace(/^error: /u, ''),
      next: 'lvsctl --help, and --help after a command, show what there is.',
    },
  ]);
}

function isEntry(): boolean {
  const [, script] = process.argv;
  return script !== undefined && realpathSync(script) === fileURLToPath(import.meta.url);
}

if (isEntry()) {
  // V8 optimizes what has run this much (seven times its default). In a run of seconds, compiling cost more than it
  // gained: a plan of 500 hosts takes an eighth less CPU time, reading an inventory of 3000 a tenth less.
  setFlagsFromString('--interrupt-budget=1000000');
  await main(process.argv);
}
