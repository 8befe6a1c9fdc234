import { Command, Option } from 'commander';
import { act } from './act.ts';
import {
  changing,
  cluster,
  draining,
  format,
  inventory,
  json,
  strict,
  withHosts,
  withInventory,
  withReach,
} from './options.ts';
import { collect, positive } from './values.ts';
import { VERSION } from './version.ts';

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
