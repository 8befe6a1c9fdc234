import { failure } from '../errors/index.ts';
import { loadCluster } from '../inventory/index.ts';
import { packageRoot } from '../templates/root.ts';
import { applyInventory } from './apply.ts';
import type { HostOptions } from './context.ts';
import { labCommand, labPower } from './lab.ts';
import { EXIT, type Output } from './output.ts';
import { planCommand } from './plan.ts';
import { verifyCommand } from './verify.ts';

/** Options of every host command inside the demo: the lab's hosts, patient limits. */
function labOptions(inventory: string): HostOptions {
  return { inventory: [inventory], lab: true, transport: 'node-ssh', parallel: 50, connectTimeout: 60, timeout: 120 };
}

/** `lvsctl demo`: the cluster of dr-wrr from nothing to traffic and through a power cut, on real kernels. */
export async function demoCommand(
  options: { inventory?: string[] },
  output: Output,
  signal: AbortSignal,
): Promise<number> {
  const inventory = options.inventory?.[0] ?? `${packageRoot()}/inventories/dr-wrr.yaml`;
  const cluster = loadCluster([inventory]);
  /** As the reader would type it. */
  const file = options.inventory?.[0] ?? (process.cwd() === packageRoot() ? 'inventories/dr-wrr.yaml' : inventory);
  const host = labOptions(inventory);
  const chapter = (number: number, text: string): void =>
    output.print(`\n${output.paint.strong(`${number}. ${text}`)}\n`);
  const step = async (code: Promise<number>, what: string, wanted: number = EXIT.done): Promise<void> => {
    const got = await code;
    if (signal.aborted) throw interrupted(file);
    if (got !== wanted) throw demoFailed(what, got, file);
  };

  chapter(1, `A lab of ${cluster.hosts.length} machines, each a Linux kernel of its own`);
  await step(labCommand('up', { inventory: [inventory] }, output, signal), 'lab up');
  chapter(2, 'The plan, applied over SSH');
  await step(
    applyInventory(
      { ...host, yes: true, stepTimeout: 600, confirmTimeout: 60, confirm: true, health: true, healthTimeout: 120 },
      output,
      signal,
    ),
    'apply',
  );
  chapter(3, 'Real requests from the client');
  await step(verifyCommand({ ...host, requests: 40 }, output, signal), 'verify');
  chapter(4, 'Planned again');
  await step(planCommand({ ...host, detailedExitcode: true }, output, signal), 'plan');
  chapter(5, 'The power of all machines is cut, and given back');
  await step(labPower('cycle', undefined, { inventory: [inventory] }, output, signal), 'lab power cycle');
  chapter(6, 'The service came back by itself: nothing to change, and the client is answered');
  await step(planCommand({ ...host, detailedExitcode: true }, output, signal), 'plan');
  await step(verifyCommand({ ...host, requests: 40 }, output, signal), 'verify');

  output.print(
    [
      '',
      output.paint.strong('The lab stays up. Try next:'),
      `  npx lvsctl lab run -i ${file} client -- curl -s http://20.20.20.20/`,
      `  npx lvsctl lab run -i ${file} rs1 -- ip addr del 20.20.20.20/32 dev lo`,
      `  npx lvsctl plan --lab -i ${file}`,
      `  npx lvsctl apply --lab -i ${file}`,
      `  npx lvsctl lab ssh -i ${file} director`,
      `  npx lvsctl lab down -i ${file}`,
    ].join('\n'),
  );
  return EXIT.done;
}

function interrupted(file: string): Error {
  return failure({
    code: 'DEMO-INTERRUPTED',
    place: { kind: 'none' },
    what: 'the demo was interrupted',
    next: `The lab may still be up. End it: npx lvsctl lab down -i ${file}`,
  });
}

function demoFailed(what: string, code: number, file: string): Error {
  return failure({
    code: 'DEMO-FAILED',
    place: { kind: 'none' },
    what: `${what} ended with exit code ${code}`,
    next: `Its own words stand above. The lab may still be up. End it: npx lvsctl lab down -i ${file}`,
  });
}
