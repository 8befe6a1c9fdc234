import { LvsctlError } from '../errors/index.ts';
import type { Plan } from '../plan/plan.ts';
import { warningLines } from '../report/plan-text.ts';
import type { Connection } from '../transport/types.ts';
import type { Check } from '../verify/judge.ts';
import { clientsOf, verify } from '../verify/verify.ts';
import { type Aim, aim, type HostOptions } from './context.ts';
import { makePlan } from './make-plan.ts';
import { EXIT, type Output } from './output.ts';

export interface VerifyOptions extends HostOptions {
  requests: number;
}

/** `lvsctl verify`: asks hosts and VIPs for traffic and says which hop fails. Changes nothing. */
export async function verifyCommand(options: VerifyOptions, output: Output, signal: AbortSignal): Promise<number> {
  const target = await aim(options, output);
  const connections = new Map<string, Connection>();
  try {
    // What differs counts, not the way there.
    const { plan, survey } = await makePlan(target, { ...options, drain: false }, output, { keep: true, signal });
    for (const [host, connection] of survey.connections) connections.set(host, connection);
    await connectClients(target, connections, output);
    output.progress.note('Asking real servers and VIPs …');
    const checks = await verify({
      cluster: target.cluster,
      seen: survey.seen,
      plan,
      connections,
      requests: options.requests,
      onCheck: (check) => output.emit('check', check),
    });
    for (const warning of plan.warnings) output.emit('warning', warning);
    output.print(checksText(checks, plan, output));
    output.problems(plan.unseen.flatMap(({ problems }) => problems));
    return checks.some((check) => check.status === 'failed') || plan.unseen.length > 0 ? EXIT.error : EXIT.done;
  } finally {
    await Promise.all([...connections.values()].map((connection) => connection.close()));
    await target.transport.close();
  }
}

async function connectClients(target: Aim, connections: Map<string, Connection>, output: Output): Promise<void> {
  for (const client of clientsOf(target.cluster)) {
    try {
      connections.set(
        client.name,
        await target.transport.connect({ name: client.name, ssh: client.ssh }, { phase: 'connect' }),
      );
    } catch (error) {
      if (!(error instanceof LvsctlError)) throw error;
      output.problems(error.problems);
    }
  }
}

function checksText(checks: readonly Check[], plan: Plan, output: Output): string {
  const { paint } = output;
  const marks = { ok: paint.added('ok     '), failed: paint.removed('FAILED '), unknown: paint.changed('unknown') };
  const lines = checks.map((check) => `${marks[check.status]}  ${check.hop}\n           ${paint.faint(check.detail)}`);
  const first = checks.find((check) => check.status === 'failed');
  const warnings = warningLines(plan, paint);
  return [...lines, ...(warnings.length > 0 ? ['', ...warnings] : []), '', end()].join('\n');

  function end(): string {
    if (first !== undefined) return paint.removed(`Failed, first at: ${first.hop}`);
    const unseen = plan.unseen.length;
    if (unseen > 0) return paint.removed(`Not verified: ${unseen} of the hosts could not be read.`);
    const unknown = checks.filter((check) => check.status === 'unknown').length;
    return paint.added(
      `Verified: ${checks.length} checks, none failed${unknown === 0 ? '' : `, ${unknown} not possible`}.`,
    );
  }
}
