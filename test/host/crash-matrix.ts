import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { confirmTransaction, revertTransaction } from '../../src/apply/transaction.ts';
import { LvsctlError } from '../../src/errors/index.ts';
import { execute } from '../../src/host/client.ts';
import type { Op } from '../../src/resources/kind.ts';
import {
  arm,
  changing,
  connect,
  copyHost,
  difference,
  type Fault,
  guardRuns,
  type Host,
  hasBegun,
  isConfirmed,
  isOpen,
  killGuard,
  listing,
  makeHost,
  makeTools,
  passDeadline,
  powerCut,
  type Role,
  settleAtBoot,
  startGuard,
  trace,
} from './crash.ts';

/** What is going on when somebody is killed, and who that is. */
export const STORIES = {
  'apply, confirm': 'session',
  'take back on request': 'session',
  'the guard takes back': 'guard',
  'settle at boot': 'settle',
  'settle by the next run': 'session',
} as const satisfies Record<string, Role>;
export type StoryName = keyof typeof STORIES;

/** What happens to the host besides. */
export const AFTERWARDS = ['the host goes on', 'power cut'] as const;
export type Afterwards = (typeof AFTERWARDS)[number];

export interface Cell {
  story: StoryName;
  at: number;
  when: Fault['when'];
  afterwards: Afterwards;
}

/** A host before its change and in the middle of it, from which each cell begins; and what it looks like then. */
export interface Bench {
  cells: readonly Cell[];
  /** The commands of each story. */
  commands: Readonly<Record<StoryName, readonly string[]>>;
  /** What is wrong after this one; none where all is well. */
  run(cell: Cell): Promise<string[]>;
  end(): void;
}

const ID = 'run1';

export async function bench(shell: string): Promise<Bench> {
  const folder = mkdtempSync(join(tmpdir(), 'lvsctl-crash-'));
  const tools = makeTools();
  const fresh = makeHost(folder, shell);
  const before = { all: listing(fresh, 'all'), disk: listing(fresh, 'disk') };
  const { sessions } = await changing(fresh, tools);
  const open = copyHost(folder, fresh);
  for (const ops of sessions(ID)) await done(open, ops);
  killGuard(open);
  const changed = copyHost(folder, open);
  if ((await confirmTransaction(connect(changed, tools), ID)).state !== 'confirmed') throw new Error('not confirmed');
  const after = { all: listing(changed, 'all'), disk: listing(changed, 'disk') };

  async function done(host: Host, ops: readonly Op[]): Promise<void> {
    const results = await execute(connect(host, tools), ops);
    const failed = results.find(({ status }) => status !== 'done');
    if (failed !== undefined) throw new Error(`${failed.op.name} ${failed.op.args.join(' ')}: ${failed.output}`);
  }

  /** What a controller does that may be killed any time. */
  const dying = async (act: () => Promise<unknown>): Promise<boolean> => {
    try {
      await act();
      return true;
    } catch (error) {
      if (!(error instanceof LvsctlError)) throw error;
      return false;
    }
  };

  /** Up to where the fault strikes. */
  async function tell(host: Host, story: StoryName): Promise<void> {
    switch (story) {
      case 'apply, confirm':
        await dying(async () => {
          for (const ops of sessions(ID)) {
            const results = await execute(connect(host, tools), ops);
            if (results.some(({ status }) => status !== 'done')) throw new Error(`failed: ${JSON.stringify(results)}`);
          }
          await confirmTransaction(connect(host, tools), ID);
        });
        return;
      case 'take back on request':
        startGuard(host, tools);
        await dying(() => revertTransaction(connect(host, tools), ID, 'asked for'));
        return;
      case 'the guard takes back':
        passDeadline(host);
        startGuard(host, tools);
        await until(() => !isOpen(host) || !guardRuns(host));
        return;
      case 'settle at boot':
        powerCut(host, tools);
        return;
      case 'settle by the next run':
        await dying(() => execute(connect(host, tools), [{ name: 'tx_settle', args: [] }]));
    }
  }

  const begin = (story: StoryName) => copyHost(folder, story === 'apply, confirm' ? fresh : open);

  const commands = {} as Record<StoryName, string[]>;
  for (const story of Object.keys(STORIES) as StoryName[]) {
    const host = begin(story);
    arm(host, { role: STORIES[story], at: 0, when: 'before' });
    await tell(host, story);
    commands[story] = trace(host);
    const stands = story === 'apply, confirm' ? after : before;
    const what = story === 'settle at boot' ? 'disk' : 'all';
    const wrong = difference(stands[what], listing(host, what));
    if (wrong !== '' || isOpen(host)) throw new Error(`${story}, undisturbed: ${wrong}`);
  }

  async function run(cell: Cell): Promise<string[]> {
    const host = begin(cell.story);
    const wrong: string[] = [];
    try {
      arm(host, { role: STORIES[cell.story], at: cell.at, when: cell.when });
      await tell(host, cell.story);
      arm(host, undefined);
      const rebooted = cell.afterwards === 'power cut' || cell.story === 'settle at boot';
      if (rebooted) {
        if (cell.story === 'settle at boot') settleAtBoot(host, tools);
        else powerCut(host, tools);
      } else {
        passDeadline(host);
        await until(() => !isOpen(host) || !guardRuns(host));
      }
      if (cell.story === 'the guard takes back' || cell.story === 'settle by the next run') {
        await done(host, [{ name: 'tx_settle', args: [] }]);
      }
      // Before the guard and the unit are there, and after they are gone, nothing is left but what the next run ends first.
      if (isOpen(host) && (rebooted || !hasBegun(host))) await done(host, [{ name: 'tx_settle', args: [] }]);
      const what = rebooted ? 'disk' : 'all';
      const wanted = isConfirmed(host, ID) ? after : before;
      const other = difference(wanted[what], listing(host, what));
      if (other !== '') wrong.push(`not as ${wanted === after ? 'confirmed' : 'before'}:\n${other}`);
      await done(host, [{ name: 'tx_settle', args: [] }]);
      if (isOpen(host)) wrong.push('still open');
      const again = sessions('run2').flat();
      const files = again.filter(({ name }) => name.startsWith('file_'));
      await done(host, [...again.slice(0, 1), ...files]);
      const { state } = await confirmTransaction(connect(host, tools), 'run2');
      if (state !== 'confirmed' || isOpen(host)) wrong.push(`the next run: ${state}`);
    } catch (error) {
      wrong.push(String(error));
    } finally {
      killGuard(host);
      rmSync(host.base, { recursive: true, force: true, maxRetries: 5 });
    }
    return wrong;
  }

  const cells = (Object.keys(STORIES) as StoryName[]).flatMap((story) =>
    commands[story].flatMap((_, index) =>
      (['before', 'after'] as const).flatMap((when) =>
        AFTERWARDS.filter((each) => story !== 'settle at boot' || each === 'power cut').map(
          (afterwards): Cell => ({ story, at: index + 1, when, afterwards }),
        ),
      ),
    ),
  );
  return {
    cells,
    commands,
    run,
    end: () => {
      for (const path of [folder, tools]) rmSync(path, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

async function until(check: () => boolean): Promise<void> {
  for (let left = 3000; left > 0; left -= 1) {
    if (check()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error('nothing came to its end in time');
}

/** How cells came out: lines for people, a command a line. */
export function table(made: Pick<Bench, 'commands'>, results: ReadonlyMap<Cell, readonly string[]>): string[] {
  const columns = AFTERWARDS.flatMap((afterwards) =>
    (['before', 'after'] as const).map((when) => ({ afterwards, when })),
  );
  return (Object.keys(STORIES) as StoryName[]).flatMap((story) => {
    const of = [...results].filter(([cell]) => cell.story === story);
    const rows = made.commands[story].flatMap((command, index) => {
      const marks = columns.map(({ afterwards, when }) => {
        const found = of.find(
          ([cell]) => cell.at === index + 1 && cell.when === when && cell.afterwards === afterwards,
        );
        return found === undefined ? '·' : found[1].length === 0 ? '✓' : '✗';
      });
      return marks.every((mark) => mark === '·') ? [] : [`  ${marks.join('   ')}   ${index + 1} ${shortened(command)}`];
    });
    const good = of.filter(([, wrong]) => wrong.length === 0).length;
    return [
      `${story}: ${good} of ${of.length} (${columns.map(({ afterwards, when }) => `${when}, ${afterwards}`).join(' | ')})`,
      ...rows,
    ];
  });
}

function shortened(command: string): string {
  return command.replace(/\S*\/root(?=\/)/gu, '').slice(0, 90);
}

/** Runs cells, a few at a time. */
export async function runAll(made: Bench, cells: readonly Cell[]): Promise<Map<Cell, readonly string[]>> {
  const results = new Map<Cell, readonly string[]>();
  const left = [...cells];
  const work = async () => {
    for (let cell = left.shift(); cell !== undefined; cell = left.shift()) results.set(cell, await made.run(cell));
  };
  await Promise.all([work(), work(), work()]);
  return results;
}

/** What went wrong, for people. */
export function complaints(results: ReadonlyMap<Cell, readonly string[]>): string[] {
  return [...results].flatMap(([cell, wrong]) => wrong.map((each) => `${JSON.stringify(cell)}: ${each}`));
}
