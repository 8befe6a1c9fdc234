import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LvsctlError } from '../../src/errors/index.ts';
import { noteRun, readPlan, writePlan } from '../../src/plan/file.ts';
import type { Plan } from '../../src/plan/plan.ts';

const plan: Plan = {
  format: 'lvsctl-plan',
  version: 6,
  id: '0123456789abcdef',
  engine: '1',
  created: '2026-01-01T00:00:00.000Z',
  cluster: 'c',
  purpose: 'apply',
  inventory: { file: '/c.yaml', fingerprint: 'f' },
  lab: false,
  hosts: [],
  unseen: [],
  steps: [],
  warnings: [],
};

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lvsctl-plan-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function codeOf(run: () => unknown): string | undefined {
  try {
    run();
  } catch (error) {
    return error instanceof LvsctlError ? error.problems[0]?.code : String(error);
  }
  return undefined;
}

describe('a saved plan', () => {
  it('is its owner’s alone, also in the place of a file that everybody may read', () => {
    const file = join(folder, 'plan');
    writeFileSync(file, 'earlier', { mode: 0o644 });
    writePlan(file, plan);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readPlan(file, '1')).toEqual(plan);
  });

  it('comes back as it was, readable by its owner alone', () => {
    const file = join(folder, 'p');
    writePlan(file, plan);
    expect(readPlan(file, '1')).toEqual(plan);
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it('is refused when it is cut off at any byte', () => {
    const file = join(folder, 'p');
    writePlan(file, plan);
    const text = readFileSync(file, 'utf8').trimEnd();
    for (let length = 0; length < text.length; length += 1) {
      writeFileSync(file, text.slice(0, length));
      expect(
        codeOf(() => readPlan(file, '1')),
        `cut at ${length}`,
      ).toBe('PLAN-DAMAGED');
    }
  });

  it.each([
    ['another plan version', { ...plan, version: 1 }, 'PLAN-VERSION'],
    ['another host program', { ...plan, engine: '0' }, 'PLAN-VERSION'],
    ['another format', { ...plan, format: 'x' }, 'PLAN-DAMAGED'],
  ])('is refused for %s', (_name, other, code) => {
    const file = join(folder, 'p');
    writePlan(file, other as Plan);
    expect(codeOf(() => readPlan(file, '1'))).toBe(code);
  });

  it('is refused after it was edited', () => {
    const file = join(folder, 'p');
    writePlan(file, plan);
    writeFileSync(file, readFileSync(file, 'utf8').replace('"cluster":"c"', '"cluster":"d"'));
    expect(codeOf(() => readPlan(file, '1'))).toBe('PLAN-DAMAGED');
  });

  it('is run once', () => {
    const file = join(folder, 'p');
    writePlan(file, plan);
    noteRun(file, { run: 'a1', who: 'me@here', when: '2026-01-01T00:00:00.000Z' });
    expect(() => readPlan(file, '1')).toThrow(/PLAN-USED.*by me@here at 2026-01-01T00:00:00.000Z \(a1\)/u);
    expect(codeOf(() => readPlan(file, '2'))).toBe('PLAN-VERSION');
    writePlan(file, plan);
    expect(readPlan(file, '1')).toEqual(plan);
    writeFileSync(file, `${readFileSync(file, 'utf8')}more`);
    expect(codeOf(() => readPlan(file, '1'))).toBe('PLAN-DAMAGED');
    noteRun(join(folder, 'none'), { run: 'a1', who: 'me@here', when: '2026' });
    expect(existsSync(join(folder, 'none'))).toBe(false);
  });

  it('says so when there is none, or when it can not be written', () => {
    expect(codeOf(() => readPlan(join(folder, 'none'), '1'))).toBe('PLAN-NOT-FOUND');
    expect(codeOf(() => writePlan(join(folder, 'no', 'folder'), plan))).toBe('PLAN-NOT-WRITTEN');
  });
});
