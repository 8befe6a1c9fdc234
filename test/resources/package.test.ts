import { describe, expect, test } from 'vitest';
import { diffOne, type PackageResource } from '../../src/resources/index.ts';
import { packageKind } from '../../src/resources/package.ts';
import { DEBIAN, parsed, words } from './facts.ts';

const want = (name: string): PackageResource => ({ kind: 'package', name });

describe('what the package databases print', () => {
  test.each([
    ['dpkg-query', 'libc6 installed 2.36-9+deb12u14\nipvsadm installed 1:1.31-1+b1\n'],
    ['dpkg-query, two architectures', 'ipvsadm installed 1:1.31-1+b1\nipvsadm installed 1:1.31-1+b1\n'],
  ])('%s', (_, text) => {
    expect(parsed(text, [want('ipvsadm'), want('nginx')])).toEqual([
      { installed: true, version: '1:1.31-1+b1', brought: [] },
      { installed: false, brought: [] },
    ]);
  });

  test('removed but for its configuration', () => {
    expect(parsed('nginx config-files 1.22.1-9\n', [want('nginx')])).toEqual([{ installed: false, brought: [] }]);
  });

  test('rpm -q', () => {
    const text = 'ipvsadm installed 1.31-6.el9\npackage nginx is not installed\n';
    expect(parsed(text, [want('ipvsadm'), want('nginx'), want('package')])).toEqual([
      { installed: true, version: '1.31-6.el9', brought: [] },
      { installed: false, brought: [] },
      { installed: false, brought: [] },
    ]);
  });
});

test('an installed package, whatever its version, is left alone', () => {
  expect(diffOne(want('nginx'), { installed: true, version: '0' }, DEBIAN)).toEqual([]);
});

test.each([
  ['debian', 'nginx-light', 'package_install apt nginx-light=nginx.service'],
  ['debian', 'ipvsadm', 'package_install apt ipvsadm=ipvsadm.service'],
  ['rhel', 'nginx', 'package_install dnf nginx=nginx.service'],
] as const)('%s: %s', (platform, name, op) => {
  const [change] = diffOne(want(name), { installed: false }, { ...DEBIAN, platform });
  expect(words(change?.ops ?? [])).toEqual([op]);
  expect(change).toMatchObject({ direction: 'add', before: { installed: false }, after: { installed: true } });
});

test('neighbouring installations become one, others do not', () => {
  const op = (args: string[], name = 'package_install') => ({ name, args });
  expect(packageKind.merge?.(op(['apt', 'a=a']), op(['apt', 'b=b', 'c=c']))).toEqual(op(['apt', 'a=a', 'b=b', 'c=c']));
  expect(packageKind.merge?.(op(['apt', 'a=a']), op(['dnf', 'b=b']))).toBeUndefined();
  expect(packageKind.merge?.(op(['apt', 'a=a']), op(['apt', 'b=b'], 'module_load'))).toBeUndefined();
});
