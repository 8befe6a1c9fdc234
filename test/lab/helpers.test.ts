import { describe, expect, it } from 'vitest';
import { differences, LEFT_BY_PACKAGES, snapshotOf } from './snapshot.ts';
import { answersOf, arpAnswers, dnsAnswers, dnsQuery, samplesOf, shares } from './traffic.ts';

/** What the lab tests see with has to see. */

const BEFORE = `@@ files
/etc/a\tf 644 root:root 
/etc/a (content)\t1234
/etc/passwd (content)\t1
@@ sysctls
net.ipv4.ip_forward\t0
kernel.random.uuid\t1
@@ routes
v4 default via 10.0.0.1 dev ens3
@@ end
`;
const AFTER = `@@ files
/etc/a\tf 600 root:root 
/etc/a (content)\t1234
/etc/passwd (content)\t2
/etc/b\tf 644 root:root 
@@ sysctls
net.ipv4.ip_forward\t1
kernel.random.uuid\t2
@@ routes
@@ ipvs
TCP  14141414:0050 wrr
@@ end
`;

describe('snapshots', () => {
  it('differ by what lvsctl can change, and not by what changes itself', () => {
    const [before, after] = [snapshotOf(BEFORE), snapshotOf(AFTER)];
    expect(differences(before, after, LEFT_BY_PACKAGES)).toEqual([
      'files /etc/a: f 644 root:root → f 600 root:root',
      'files /etc/b: new: f 644 root:root',
      'sysctls net.ipv4.ip_forward: 0 → 1',
      'routes v4 default via 10.0.0.1 dev ens3: gone: present',
      'ipvs TCP  14141414:0050 wrr: new: present',
    ]);
    expect(differences(before, after)).toContain('files /etc/passwd (content): 1 → 2');
    expect(differences(after, snapshotOf(AFTER))).toEqual([]);
  });
  it('count a rule that is there twice', () => {
    const once = '@@ rules\nv4 0:\tfrom all lookup local\n';
    const twice = `${once}v4 0:\tfrom all lookup local\n`;
    expect(differences(snapshotOf(once), snapshotOf(twice))).toHaveLength(1);
  });
});

describe('answers', () => {
  it('have body, status, source and error', () => {
    const output = `rs1\n\u001f200 0.01 10.0.0.9 \u001e\u001f000 3.0 10.0.0.9 Connection timed out\u001e`;
    expect(answersOf(output)).toEqual([
      { status: 200, seconds: 0.01, from: '10.0.0.9', body: 'rs1\n' },
      { status: 0, seconds: 3, from: '10.0.0.9', body: '', error: 'Connection timed out' },
    ]);
    expect(shares([{ body: 'rs1\n' }, { body: 'rs2' }, { body: 'rs1' }])).toEqual({ rs1: 2, rs2: 1 });
  });
  it('of a load keep the failed ones', () => {
    expect(samplesOf('load\n0.000 0.012 ok rs1\n0.020 1.001 timeout \nnoise\n')).toEqual([
      { at: 0, seconds: 0.012, result: 'ok', body: 'rs1' },
      { at: 0.02, seconds: 1.001, result: 'timeout', body: '' },
    ]);
  });
});

describe('DNS', () => {
  const question = dnsQuery('who.example', 'A');
  it('asks as RFC 1035 says', () => {
    expect(question.toString('hex')).toBe('4c5601000001000000000000' + '0377686f076578616d706c6500' + '00010001');
  });
  it.each([
    ['A', '0001', '0a000005', '10.0.0.5'],
    ['TXT', '0010', '03727331', 'rs1'],
  ])('reads %s', (_type, type, data, says) => {
    const answer = `c00c${type}000100000000${(data.length / 2).toString(16).padStart(4, '0')}${data}`;
    const header = '4c56818000010001000000000';
    const reply = Buffer.from(`${header.slice(0, 24)}${question.subarray(12).toString('hex')}${answer}`, 'hex');
    expect(dnsAnswers(reply)).toEqual([says]);
  });
  it('has no answer in nothing', () => {
    expect(dnsAnswers(Buffer.alloc(0))).toEqual([]);
  });
});

describe('a capture', () => {
  it('tells who answered for an address, each once', () => {
    const lines = [
      '12:00:00.1 52:54:00:00:03:01 > 52:54:00:00:02:02, ethertype ARP (0x0806), length 42: Reply 20.20.20.20 is-at 52:54:00:00:03:01, length 28',
      '12:00:00.2 52:54:00:00:03:01 > 52:54:00:00:02:02, ethertype ARP (0x0806), length 42: Reply 20.20.20.20 is-at 52:54:00:00:03:01, length 28',
      '12:00:00.3 52:54:00:00:04:01 > 52:54:00:00:02:02, ethertype ARP (0x0806), length 42: Reply 30.30.30.30 is-at 52:54:00:00:04:01, length 28',
    ];
    expect(arpAnswers(lines, '20.20.20.20')).toEqual(['52:54:00:00:03:01']);
  });
});
