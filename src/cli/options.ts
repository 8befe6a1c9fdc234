import { type Command, Option } from 'commander';
import { atLeast, collect, duration, list, positive, serial, whole } from './values.ts';

/** Options that several commands take. */

export const inventory = (): Option =>
  new Option('-i, --inventory <file>', 'inventory: a file, several (say it again), or a folder').argParser(collect);
export const cluster = (): Option => new Option('--cluster <name>', 'which cluster, where the inventory holds several');
export const strict = (): Option => new Option('--strict', 'take warnings for errors');
export const format = (): Option =>
  new Option('--format <form>', 'how findings are printed')
    .choices(['pretty', 'json', 'sarif', 'github', 'junit'])
    .default('pretty')
    .conflicts('json');
export const json = (): Option => new Option('--json', 'JSON lines instead of text');

export function withHosts(command: Command): Command {
  return withReach(command).addOption(
    new Option('--limit <hosts>', 'only these hosts, separated by commas').argParser(list),
  );
}

/** What decides how gently a plan treats requests that are being served. */
export function draining(command: Command): Command {
  return command
    .option('--no-drain', 'change real servers while they serve: requests that a change cuts are lost')
    .addOption(
      new Option('--drain-timeout <time>', 'wait so long for what a real server serves to end, e.g. 90s').argParser(
        duration,
      ),
    );
}

/** What every command that changes hosts takes. */
export function changing(command: Command): Command {
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

export function withReach(command: Command): Command {
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

export function withInventory<O extends { inventory?: string[] }>(options: O): O & { inventory: string[] } {
  return { ...options, inventory: options.inventory ?? ['lvs.yaml'] };
}
