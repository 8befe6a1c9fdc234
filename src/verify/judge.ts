import type { RealServer } from '../inventory/model.ts';
import type { Plan } from '../plan/plan.ts';
import type { Shown } from '../resources/kind.ts';
import type { Answer } from './probe.ts';

/** The verdict on one hop. */
export interface Check {
  /** What was asked, from where. */
  hop: string;
  status: 'ok' | 'failed' | 'unknown';
  detail: string;
}

/** What the hosts have against what the inventory says: one failed check for each thing that isn't in force. Pure. */
export function judgeState(plan: Plan): Check[] {
  const unseen = plan.unseen.map(
    ({ host, problems }): Check => ({
      hop: `${host}: as described`,
      status: 'unknown',
      detail: problems.map((problem) => `${problem.code}: ${problem.what}`).join('; '),
    }),
  );
  const seen = plan.hosts.flatMap((host): Check[] => {
    const changes = plan.steps.filter((step) => step.host === host.name).flatMap((step) => step.changes);
    if (changes.length === 0) return [{ hop: `${host.name}: as described`, status: 'ok', detail: 'nothing differs' }];
    return changes.map((change) => ({
      hop: `${host.name}: ${change.key}`,
      status: 'failed',
      detail: change.shown.map(shownLine).join('; '),
    }));
  });
  return [...unseen, ...seen];
}

function shownLine(shown: Shown): string {
  switch (shown.as) {
    case 'value':
      return `${shown.name} is ${shown.before ?? 'not set'}, should be ${shown.after ?? 'absent'}`;
    case 'action':
      return `needs: ${shown.text}`;
    case 'text':
      return `${shown.path} ${shown.before === null ? 'is missing' : 'differs'}`;
    case 'rules': {
      const missing = shown.after.filter((rule) => !shown.before.includes(rule));
      const extra = shown.before.filter((rule) => !shown.after.includes(rule));
      return [...missing.map((rule) => `missing ${rule}`), ...extra.map((rule) => `not described ${rule}`)].join('; ');
    }
  }
}

/**
 * Whether a client's requests to a VIP went well and reached every real server that has a weight. Pure.
 * @param spreads whether the scheduler gives one client's requests to all real servers
 * @param bodies what each real server answers when asked directly; shares are told only where these differ
 */
export function judgeTraffic(
  hop: string,
  realServers: readonly RealServer[],
  answers: readonly Answer[],
  bodies: ReadonlyMap<string, string>,
  spreads: boolean,
): Check {
  const failed = answers.filter((answer) => !answer.ok);
  if (answers.length === 0) return { hop, status: 'failed', detail: 'the client asked nothing' };
  if (failed.length > 0) {
    const words = [...new Set(failed.map((answer) => answer.text))].slice(0, 3).join('; ');
    return { hop, status: 'failed', detail: `${failed.length} of ${answers.length} requests failed: ${words}` };
  }
  const weighted = realServers.filter((real) => real.weight > 0);
  const distinct = new Set(bodies.values()).size === bodies.size && weighted.every((real) => bodies.has(real.host));
  if (!distinct) return { hop, status: 'ok', detail: `${answers.length} of ${answers.length} requests answered` };
  const shares = weighted.map((real) => ({
    host: real.host,
    count: answers.filter((answer) => answer.text === bodies.get(real.host)).length,
  }));
  const text = shares.map((share) => `${share.host} ${share.count}`).join(', ');
  const silent = shares.filter((share) => spreads && share.count === 0 && answers.length >= expectedRound(weighted));
  const strange = answers.length - shares.reduce((sum, share) => sum + share.count, 0);
  if (silent.length > 0) {
    return {
      hop,
      status: 'failed',
      detail: `no answer came from ${silent.map((each) => each.host).join(', ')} (${text})`,
    };
  }
  if (strange > 0)
    return { hop, status: 'failed', detail: `${strange} answers came from none of the real servers (${text})` };
  return { hop, status: 'ok', detail: `${answers.length} requests answered: ${text}` };
}

/** Requests after which every weighted server should have had its turn, twice over. */
function expectedRound(weighted: readonly { weight: number }[]): number {
  return 2 * weighted.reduce((sum, real) => sum + real.weight, 0);
}

/**
 * Whether the neighbour entry that traffic left on a host points at a director. Pure.
 * @param master where a pair carries the VIP: who must be it
 */
export function neighbourCheck(
  host: string,
  vip: string,
  mac: string | undefined,
  directors: ReadonlyMap<string, string>,
  master?: string,
): Check {
  const hop = `${host}: ARP for ${vip}`;
  if (mac === undefined) return { hop, status: 'unknown', detail: 'no neighbour entry: no traffic went this way' };
  const owner = directors.get(mac);
  if (owner !== undefined && master !== undefined && owner !== master) {
    return { hop, status: 'failed', detail: `answered by ${owner} (${mac}), and ${master} is master` };
  }
  return owner === undefined
    ? { hop, status: 'failed', detail: `answered by ${mac}, which is no director's: a real server answers for the VIP` }
    : { hop, status: 'ok', detail: `answered by ${owner} (${mac})` };
}
