import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { RECIPES } from '../../src/lab/recipes.ts';
import { buildScript, spec } from '../../src/lab/rhel.ts';
import { INSTALLED, RPMS, TAKEN_ALONE, TAKEN_APART } from '../../src/lab/rhel-packages.ts';

describe('recipes', () => {
  it.each([
    ['debian’s hook', RECIPES.debian.hook],
    ['the look-alike’s hook', RECIPES.rhel.hook],
    ['what the look-alike’s hook runs inside', buildScript()],
  ])('%s is a shell program', (_name, script) => {
    expect(execFileSync('dash', ['-n'], { input: script, encoding: 'utf8' })).toBe('');
  });

  it('the look-alike keeps no way to Debian’s package manager', () => {
    for (const program of ['apt-get', 'dpkg', 'dpkg-query']) {
      expect(RECIPES.rhel.removed).toContain(`/usr/bin/${program}`);
    }
    expect(RECIPES.debian.removed).not.toContain('/usr/bin/dpkg');
  });
});

describe('the look-alike’s RPMs', () => {
  it('bring the units that they enable, each once', () => {
    for (const rpm of RPMS) {
      const brought = (rpm.files ?? []).flatMap(({ path }) => /\/systemd\/system\/(.*)$/.exec(path)?.[1] ?? []);
      expect(brought, rpm.name).toEqual(rpm.units ?? []);
    }
    const paths = RPMS.flatMap((rpm) => (rpm.files ?? []).map(({ path }) => path));
    expect(new Set(paths).size).toBe(paths.length);
  });

  it('have a version each, from a Debian package that is there when they are made', () => {
    const text = spec();
    const asked = [...text.matchAll(/^Version: %\{version_(\d+)\}$/gm)].map(([, number]) => Number(number));
    expect(asked).toEqual(Array.from({ length: RPMS.length + INSTALLED.length + 1 }, (_, index) => index));
    for (const rpm of RPMS) expect([...TAKEN_APART, ...TAKEN_ALONE]).toContain(rpm.version);
  });

  it('give their folders to accounts that exist or that they make', () => {
    for (const rpm of RPMS) {
      for (const { owner } of rpm.folders ?? []) {
        for (const name of owner.split(':')) expect(['root', rpm.user?.name]).toContain(name);
      }
    }
  });
});
