import { expect, test } from 'vitest';
import { type ClockResource, diffOne, noticesOf } from '../../src/resources/index.ts';
import { DEBIAN, parsed } from './facts.ts';

const clock: ClockResource = { kind: 'clock' };
// As chronyc 4.3 prints them on Debian 12.
const NO =
  '00000000,,0,0.000000000,0.000000000,0.000000000,0.000000000,0.000,0.000,0.000,1.000000000,1.000000000,0.0,Not synchronised\n';
const yes = (offset: string) =>
  `0A0A0009,10.10.0.9,9,1795275115.713579701,${offset},-0.000096912,0.000096912,-0.452,-1.337,388.773,0.000367008,0.001398656,2.1,Normal\n`;

test.each([
  ['synchronised', yes('-0.000000073'), { sync: 'yes', secondsOff: 0.000000073 }, /^$/],
  ['a leap second is due', yes('0.1').replace('Normal', 'Insert second'), { sync: 'yes', secondsOff: 0.1 }, /^$/],
  ['far off', yes('-12.5'), { sync: 'yes', secondsOff: 12.5 }, /12\.5 s off/],
  ['not synchronised', NO, { sync: 'no' }, /not synchronised/],
  ['chrony does not run', '506 Cannot talk to daemon\n', { sync: 'unknown' }, /^$/],
  ['there is no chrony', '', { sync: 'unknown' }, /^$/],
])('%s: a notice at most, never a change', (_, text, state, notice) => {
  expect(parsed(text, [clock])).toEqual([state]);
  expect(diffOne(clock, state, DEBIAN)).toEqual([]);
  expect(noticesOf(clock, state).join('\n')).toMatch(notice);
});
