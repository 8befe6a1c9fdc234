import { breakLease, type Held, lookAtLease } from '../apply/lease.ts';
import { failure } from '../errors/index.ts';
import { chooseHosts } from '../survey/survey.ts';
import { aim, confirm, type HostOptions } from './context.ts';
import { EXIT, type Output } from './output.ts';

export interface UnlockOptions extends HostOptions {
  yes?: boolean;
}

/** `lvsctl unlock HOST`: shows whose lease it is, asks, and breaks that one and no other. */
export async function unlockCommand(
  name: string,
  options: UnlockOptions,
  output: Output,
  signal: AbortSignal,
): Promise<number> {
  const target = await aim({ ...options, limit: [name] }, output);
  try {
    const [host] = chooseHosts(target.cluster, [name]);
    if (host === undefined) throw new Error(`${name} is not in the inventory`);
    const connection = await target.transport.connect({ name, ssh: host.ssh }, { phase: 'connect', signal });
    try {
      const held = await lookAtLease(connection);
      output.emit('lease', { host: name, ...held });
      output.print(leaseText(name, held));
      if (held.holder === undefined) return EXIT.done;
      if (options.yes !== true && !output.interactive) {
        throw failure({
          code: 'CLI-NO-TERMINAL',
          place: { kind: 'none' },
          what: 'there is no terminal to ask on, so nothing was done',
          next: 'Say --yes, if the owner is gone for good.',
        });
      }
      if (options.yes !== true && !(await confirm('\nIs it gone for good: break its lease?', signal))) {
        output.print('Nothing was done.');
        return EXIT.done;
      }
      await breakLease(connection, held.holder.id);
      output.emit('unlocked', { host: name, ...held });
      output.print(`${name} is free.`);
      return EXIT.done;
    } finally {
      await connection.close();
    }
  } finally {
    await target.transport.close();
  }
}

function leaseText(host: string, { holder, open }: Held): string {
  const whose = open === holder?.id ? 'its' : "another run's";
  const changes = open === undefined ? [] : [`  ${whose} changes are open there: the next apply ends them first`];
  if (holder === undefined) return [`${host} is held by nobody.`, ...changes].join('\n');
  const { owner, since, reason, left } = holder;
  return [
    `${host} is held by ${owner} since ${since}`,
    `  for: ${reason}`,
    `  its lease ends in ${left} s unless it is renewed`,
    ...changes,
  ].join('\n');
}
