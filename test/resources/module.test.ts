import { expect, test } from 'vitest';
import { diffOne, type ModuleResource } from '../../src/resources/index.ts';
import { moduleKind } from '../../src/resources/module.ts';
import { DEBIAN, parsed, words } from './facts.ts';

const want = (name: string): ModuleResource => ({ kind: 'module', name });

test('loaded, built in (a line of modules.builtin), compressed, neither', () => {
  const text = 'loaded ip_vs\nkernel/net/ipv4/ipip.ko\nkernel/net/netfilter/ipvs/ip-vs-rr.ko.xz\n';
  expect(parsed(text, ['ip_vs', 'ipip', 'ip_vs_rr', 'ip_vs_wrr'].map(want))).toEqual([
    { loaded: true },
    { loaded: true },
    { loaded: true },
    { loaded: false },
  ]);
});

test('the pattern for modules.builtin finds the module alone', () => {
  const [name, pattern] = moduleKind.ask(want('ip-vs'), DEBIAN);
  expect(name).toBe('ip_vs');
  const found = (line: string) => new RegExp(pattern ?? '').test(line);
  expect([found('kernel/net/ip_vs.ko'), found('kernel/net/ip-vs.ko.xz')]).toEqual([true, true]);
  expect([found('kernel/net/ip_vs_rr.ko'), found('kernel/net/xip_vs.ko')]).toEqual([false, false]);
});

test('a missing module is loaded, a loaded one is not', () => {
  expect(diffOne(want('ip_vs'), { loaded: true }, DEBIAN)).toEqual([]);
  const [change] = diffOne(want('ip_vs'), { loaded: false }, DEBIAN);
  expect(words(change?.ops ?? [])).toEqual(['module_load ip_vs']);
});
