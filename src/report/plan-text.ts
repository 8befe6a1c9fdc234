import { diffArrays, structuredPatch } from 'diff';
import { aroundWhat, countChanges, isDrain, isEmpty, type Plan, type PlannedChange, type Step } from '../plan/plan.ts';
import type { Shown } from '../resources/kind.ts';
import { type Paint, printable } from './paint.ts';
import { problemText } from './problem-text.ts';

const NEW_FILE_LINES = 40;

/** A plan as a person reads it: host by host, in the order in which each host's changes happen. */
export function planText(plan: Plan, paint: Paint): string {
  const blocks = plan.hosts.map((host) => {
    const steps = plan.steps.filter((step) => step.host === host.name && step.changes.length > 0);
    const title = `${paint.strong(host.name)}  ${paint.faint(`${host.ssh.address}, ${host.platform}`)}`;
    if (steps.length === 0) return `${title}\n  ${nothing(plan, host.name)}`;
    return [title, ...steps.flatMap((step) => stepTexts(step, paint))].join('\n');
  });
  const unseen = plan.unseen.map(({ host, problems }) =>
    [
      `${paint.strong(host)}  ${paint.removed('could not be read')}`,
      ...problems.map((p) => indent(problemText(p, paint), 2)),
    ].join('\n'),
  );
  const warnings = warningLines(plan, paint);
  return [
    ...blocks,
    ...unseen,
    ...(warnings.length > 0 ? [warnings.join('\n')] : []),
    orderText(plan),
    hooksText(plan),
    summary(plan),
  ]
    .filter((block) => block !== '')
    .join('\n\n');
}

/** A step's changes; of a drain what happens, in place of the weights and lines that change for a while. */
function stepTexts(step: Step, paint: Paint): string[] {
  if (step.drains === undefined) return step.changes.map((change) => changeText(change, paint));
  const { host, text } = step.drains;
  const what = step.stage === 'drain' ? `before ${aroundWhat(step)}` : `after ${aroundWhat(step)}`;
  return [`  ${paint.changed('~')} ${step.stage} ${host}: ${printable(text)}${paint.faint(`  (${what})`)}`];
}

/** What the operator should know and no change mends, a line each. */
export function warningLines(plan: Pick<Plan, 'warnings'>, paint: Paint): string[] {
  return plan.warnings.map((each) => `${paint.changed('Warning')}  ${each.host}, ${each.key}: ${printable(each.text)}`);
}

function nothing(plan: Plan, host: string): string {
  if (plan.purpose === 'apply') return 'no changes';
  if (plan.purpose === 'rollback') return 'nothing to take back';
  return plan.steps.some((step) => step.host === host)
    ? 'only the record of what lvsctl managed goes'
    : 'nothing of lvsctl';
}

/** One line: how much would change. */
export function summary(plan: Plan): string {
  const unseen = plan.unseen.length > 0 ? ` ${names(plan.unseen.map(({ host }) => host))} not read.` : '';
  if (plan.hosts.length === 0 && unseen !== '') return `No plan:${unseen}`;
  if (isEmpty(plan)) {
    if (plan.purpose === 'rollback') return `Nothing to take back: no host has what that run changed.${unseen}`;
    return plan.purpose === 'destroy'
      ? `Nothing to give back: lvsctl manages nothing on ${count(plan.hosts.length, 'host')}.${unseen}`
      : `No changes: ${count(plan.hosts.length, 'host')} as described.${unseen}`;
  }
  const touched = new Set(plan.steps.filter((step) => !isDrain(step)).map((step) => step.host)).size;
  return `Plan: ${count(countChanges(plan), 'change')} on ${count(touched, 'host')}, ${plan.hosts.length - touched} unchanged.${unseen}`;
}

function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? '' : 's'}`;
}

function names(list: readonly string[]): string {
  return list.length <= 5 ? list.join(', ') : `${list.slice(0, 5).join(', ')} and ${list.length - 5} more`;
}

/** The order across hosts: a line for each wave of steps that may run at once. */
function orderText(plan: Plan): string {
  const waves = new Map<string, Step[]>();
  for (const step of plan.steps) {
    if (step.stage === 'record' || isDrain(step)) continue;
    const wave = step.direction === 'remove' ? `${step.stage}, taken away` : step.stage;
    waves.set(wave, [...(waves.get(wave) ?? []), step]);
  }
  const drained = new Set(plan.steps.filter(isDrain).map(aroundWhat));
  if (waves.size < 2 && drained.size === 0) return '';
  const width = Math.max(...[...waves.keys()].map((wave) => wave.length));
  const lines = [...waves].map(([wave, steps], index) => {
    const one = steps.filter(({ id }) => drained.has(id)).length;
    const how = one === 0 ? '' : one === 1 ? ' (drained)' : ' (drained, one after the other)';
    return `  ${index + 1}. ${wave.padEnd(width)}  ${names(steps.map((step) => step.host))}${how}`;
  });
  return ['Order', ...lines].join('\n');
}

/** What runs on this machine besides. */
function hooksText(plan: Plan): string {
  if (isEmpty(plan)) return '';
  const { beforeChange: before, afterChange: after } = plan.hooks ?? {};
  return [
    ...(before === undefined ? [] : [`Before each step  ${printable(before.file)}`]),
    ...(after === undefined ? [] : [`After each step   ${printable(after.file)}`]),
  ].join('\n');
}

/** One change as a person reads it. */
export function changeText(
  change: Pick<PlannedChange, 'key' | 'direction' | 'shown' | 'reason'>,
  paint: Paint,
): string {
  const mark = { add: paint.added('+'), change: paint.changed('~'), remove: paint.removed('-') }[change.direction];
  const reason = change.reason === undefined ? '' : paint.faint(`  (${printable(change.reason)})`);
  const [first] = change.shown;
  // A single value or action fits on the change's own line.
  if (change.shown.length === 1 && first?.as === 'value')
    return `  ${mark} ${valueText(first, change.key, paint)}${reason}`;
  if (change.shown.length === 1 && first?.as === 'action') return `  ${mark} ${printable(first.text)}${reason}`;
  const body = change.shown
    .map((shown) => indent(shownText(shown, change.key, paint), 6))
    .filter((text) => text.trim() !== '');
  return [`  ${mark} ${printable(change.key)}${reason}`, ...body].join('\n');
}

function shownText(shown: Shown, key: string, paint: Paint): string {
  switch (shown.as) {
    case 'text':
      return textDiff(shown.before, shown.after, paint);
    case 'value':
      return valueText(shown, key, paint);
    case 'rules':
      return rulesText(shown.before, shown.after, paint);
    case 'action':
      return printable(shown.text);
  }
}

function valueText(
  shown: { name: string; before: string | null; after: string | null },
  key: string,
  paint: Paint,
): string {
  const name = key.endsWith(shown.name) ? key : shown.name;
  const before = shown.before === null ? paint.faint('none') : paint.removed(printable(shown.before));
  const after = shown.after === null ? paint.faint('none') : paint.added(printable(shown.after));
  return `${printable(name)}: ${before} → ${after}`;
}

/** A unified diff; of a new file its first lines, of a removed one nothing. */
function textDiff(before: string | null, after: string | null, paint: Paint): string {
  if (after === null) return '';
  if (before === null) {
    const lines = after.replace(/\n$/u, '').split('\n');
    const shown = lines.slice(0, NEW_FILE_LINES).map((line) => paint.added(`+${printable(line)}`));
    const more = lines.length - shown.length;
    return [...shown, ...(more > 0 ? [paint.faint(`… ${more} more lines (--json has them)`)] : [])].join('\n');
  }
  const { hunks } = structuredPatch('', '', before, after, undefined, undefined, { context: 2 });
  return hunks
    .flatMap((hunk) => [
      paint.faint(`@@ -${hunk.oldStart},${hunk.oldLines} +${hunk.newStart},${hunk.newLines} @@`),
      ...hunk.lines.map((line) => {
        const text = printable(line);
        return line.startsWith('+') ? paint.added(text) : line.startsWith('-') ? paint.removed(text) : text;
      }),
    ])
    .join('\n');
}

/** IPVS rules against what is there: one line a rule, as `ipvsadm -Sn` writes it. */
function rulesText(before: readonly string[], after: readonly string[], paint: Paint): string {
  return diffArrays([...before], [...after])
    .flatMap(({ added, removed, value }) =>
      value.map((rule) => {
        if (added) return paint.added(`+ ${printable(rule)}`);
        return removed ? paint.removed(`- ${printable(rule)}`) : `  ${printable(rule)}`;
      }),
    )
    .join('\n');
}

function indent(text: string, by: number): string {
  return text.replace(/^(?=.)/gmu, ' '.repeat(by));
}
