import { expect, test } from 'vitest';
import { diffOne, type ModuleResource, refusalsOf } from '../../src/resources/index.ts';
import { moduleKind } from '../../src/resources/module.ts';
import { DEBIAN, parsed, words } from './facts.ts';

const want = (name: string): ModuleResource => ({ kind: 'module', name });

test('loaded, built in (a line of modules.builtin), compressed, not loaded, not there', () => {
  const text = `loaded ip_vs
modprobe: WARNING: Module ip_vs_twos not found in directory /lib/modules/6.1.0
kernel/net/ipv4/ipip.ko
kernel/net/netfilter/ipvs/ip-vs-rr.ko.xz
`;
  expect(parsed(text, ['ip_vs', 'ipip', 'ip_vs_rr', 'ip_vs_wrr', 'ip-vs-twos'].map(want))).toEqual([
    { loaded: true, available: true },
    { loaded: true, available: true },
    { loaded: true, available: true },
    { loaded: false, available: true },
    { loaded: false, available: false },
  ]);
});

test('a module that the running kernel doesn’t have is refused before anything is changed', () => {
  expect(refusalsOf(want('ip_vs'), { loaded: true, available: true })).toEqual([]);
  expect(refusalsOf(want('ip_vs'), { loaded: false, available: true })).toEqual([]);
  expect(refusalsOf(want('ip_vs_twos'), { loaded: false, available: false })).toMatchObject([
    { code: 'HOST-NO-MODULE', what: 'the running kernel has no module ip_vs_twos' },
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
  expect(diffOne(want('ip_vs'), { loaded: true, available: true }, DEBIAN)).toEqual([]);
  const [change] = diffOne(want('ip_vs'), { loaded: false, available: true }, DEBIAN);
  expect(words(change?.ops ?? [])).toEqual(['module_load ip_vs']);
});
