import { realServersOf } from '../inventory/derived.ts';
import { realServerSays, serviceSays } from '../inventory/places.ts';
import { pair, service } from './examples.ts';
import type { Rule } from './rule.ts';

/** Schedulers that look at no weight but 0 (net/netfilter/ipvs/ip_vs_rr.c, ip_vs_lc.c, ip_vs_dh.c). */
const WEIGHTLESS = ['rr', 'lc', 'dh'];
/** Schedulers that choose by the address asked for. */
const BY_DESTINATION = ['dh', 'lblc', 'lblcr'];

/** What schedulers promise, and what for. */
export const SCHEDULERS: readonly Rule[] = [
  {
    code: 'LVS-SCHED-001',
    severity: 'warning',
    title: 'a hash without its fallback refuses clients',
    why: 'sh and mh give each client address one real server. When that has weight 0 (it is drained, or failed and inhibited), its clients are refused, though others could serve them, unless the scheduler’s fallback flag is set.',
    remedy: 'Add scheduler_flags: [sh-fallback] (with mh: [mh-fallback]).',
    source: 'ipvsadm(8), --sched-flags; Linux net/netfilter/ipvs/ip_vs_sh.c, ip_vs_mh.c',
    bad: service('scheduler: sh'),
    good: service('scheduler: sh\nscheduler_flags: [sh-fallback]'),
    *check(question) {
      for (const { name, scheduler, schedulerFlags } of question.cluster.services) {
        if (scheduler !== 'sh' && scheduler !== 'mh') continue;
        const flag = `${scheduler}-fallback`;
        if (schedulerFlags.includes(flag)) continue;
        const flags = [...schedulerFlags, flag].join(', ');
        yield {
          path: serviceSays(question, name, 'scheduler'),
          what: `${scheduler} without ${flag}: clients of a real server with weight 0 are refused`,
          next: `Add scheduler_flags: [${flags}].`,
        };
      }
    },
  },
  {
    code: 'LVS-SCHED-002',
    severity: 'warning',
    title: 'weights that the scheduler doesn’t look at',
    why: 'rr, lc and dh know weight 0 (no new connections) and nothing else: a real server with weight 3 gets as much as one with weight 1.',
    remedy: 'Use wrr in place of rr, wlc in place of lc, or leave the weights out.',
    source: 'ipvsadm(8), --scheduler',
    bad: service('scheduler: rr\nreal_servers: { web1: {}, web2: { weight: 3 } }'),
    good: service('scheduler: wrr\nreal_servers: { web1: {}, web2: { weight: 3 } }'),
    *check(question) {
      for (const one of question.cluster.services.filter(({ scheduler }) => WEIGHTLESS.includes(scheduler))) {
        const weighty = realServersOf(one).filter(({ weight }) => weight > 0);
        if (new Set(weighty.map(({ weight }) => weight)).size < 2) continue;
        const heavy = weighty.find(({ weight }) => weight !== 1) ?? weighty[0];
        if (heavy === undefined) continue;
        yield {
          path: realServerSays(question, one.name, heavy.host, 'weight'),
          what: `${one.scheduler} looks at no weights: ${heavy.host} with ${heavy.weight} gets as much as the others`,
          next:
            one.scheduler === 'dh'
              ? 'Leave the weights out.'
              : `Use scheduler: w${one.scheduler}, or leave the weights out.`,
          also: { path: serviceSays(question, one.name, 'scheduler'), says: 'the scheduler' },
        };
      }
    },
  },
  {
    code: 'LVS-SCHED-003',
    severity: 'warning',
    title: 'a choice by the address asked for, and there is one address',
    why: 'dh, lblc and lblcr choose the real server by the address that the client asks for: meant for caches, where that differs. Through one VIP everybody asks for the same, so that one real server gets (nearly) everything.',
    remedy:
      'Use sh or mh to choose by the client’s address; or give the VIP several addresses and the service a fwmark.',
    source: 'ipvsadm(8), --scheduler; Linux net/netfilter/ipvs/ip_vs_dh.c, ip_vs_lblc.c',
    bad: service('scheduler: dh'),
    good: service('scheduler: mh\nscheduler_flags: [mh-fallback]'),
    *check(question) {
      for (const { name, scheduler, vips, fwmark, virtuals } of question.cluster.services) {
        if (!BY_DESTINATION.includes(scheduler)) continue;
        if (virtuals.every(({ realServers }) => realServers.length < 2)) continue;
        const several = ([4, 6] as const).some((family) => vips.filter((vip) => vip.family === family).length > 1);
        if (fwmark !== undefined && several) continue;
        yield {
          path: serviceSays(question, name, 'scheduler'),
          what: `${scheduler} chooses by the address asked for, and each row of ${name} has one: one real server gets it all`,
        };
      }
    },
  },
  {
    code: 'LVS-SCHED-004',
    severity: 'warning',
    title: 'ovf overflows after the first connection',
    why: 'With ovf a weight is a limit: the real server with the highest one gets all connections until it has so many, then the next. With the weight 1, which holds when nothing is said, that is one connection each.',
    remedy: 'Give each real server the number of connections that it can carry as weight.',
    source: 'ipvsadm(8), --scheduler ovf',
    bad: service('scheduler: ovf'),
    good: service('scheduler: ovf\nreal_servers: { web1: { weight: 1000 }, web2: { weight: 500 } }'),
    *check(question) {
      for (const one of question.cluster.services.filter(({ scheduler }) => scheduler === 'ovf')) {
        if (realServersOf(one).some(({ weight }) => weight > 1)) continue;
        yield {
          path: serviceSays(question, one.name, 'scheduler'),
          what: `with ovf a weight is a limit, and no real server of ${one.name} has more than 1`,
        };
      }
    },
  },
  {
    code: 'LVS-SCHED-005',
    severity: 'warning',
    title: 'fo knows no order',
    why: 'fo sends everything to the real server with the highest weight, and goes to the next one when that fails. With equal weights it is the order of the kernel’s table that counts, which changes with every change of it.',
    remedy: 'Give each real server a weight of its own, the first one the highest.',
    source: 'ipvsadm(8), --scheduler fo',
    bad: service('scheduler: fo'),
    good: service('scheduler: fo\nreal_servers: { web1: { weight: 2 }, web2: { weight: 1 } }'),
    *check(question) {
      for (const one of question.cluster.services.filter(({ scheduler }) => scheduler === 'fo')) {
        const weights = realServersOf(one)
          .map(({ weight }) => weight)
          .filter((weight) => weight > 0);
        const most = Math.max(...weights);
        if (weights.filter((weight) => weight === most).length < 2) continue;
        yield {
          path: serviceSays(question, one.name, 'scheduler'),
          what: `several real servers of ${one.name} have the highest weight, ${most}: which of them comes first is chance`,
        };
      }
    },
  },
  {
    code: 'LVS-SCHED-006',
    severity: 'warning',
    title: 'mh on a pair, and open connections end at a takeover all the same',
    why: 'mh would choose the same real server on both directors. But the one that takes over knows none of the connections, and refuses to begin one with a packet that is no SYN, unless net.ipv4.vs.sloppy_tcp says so or the directors tell each other their connections.',
    remedy: 'Add sysctls: { net.ipv4.vs.sloppy_tcp: 1 } to the directors, or ipvs.sync.',
    source: 'Linux Documentation/networking/ipvs-sysctl.rst, sloppy_tcp',
    bad: pair('', 'scheduler: mh\nscheduler_flags: [mh-fallback]'),
    good: pair('', 'scheduler: mh\nscheduler_flags: [mh-fallback]', 'ipvs: { sync: { interface: eth0, id: 51 } }\n'),
    *check(question) {
      const { cluster } = question;
      if (cluster.ipvs.sync !== undefined) return;
      const sloppy = new Set(
        cluster.hosts
          .filter(({ sysctls }) => (sysctls['net.ipv4.vs.sloppy_tcp'] ?? '0') !== '0')
          .map(({ name }) => name),
      );
      for (const { name, scheduler, protocol, directors } of cluster.services) {
        if (scheduler !== 'mh' || protocol !== 'tcp' || directors.length < 2) continue;
        if (directors.every((director) => sloppy.has(director))) continue;
        yield {
          path: serviceSays(question, name, 'scheduler'),
          what: `${directors.join(' and ')} would choose alike, and neither goes on with the other’s connections of ${name}`,
        };
      }
    },
  },
];
