/**
 * `npm run bench`: lvsctl's plan with nothing to change, against a bare ssh2 program and Ansible, on real sshd hosts.
 *
 *     node bench/run.mjs [--hosts 1,10,50,500] [--runs 5] [--only times,delay,trips,startups]
 *                        [--no-ansible] [--write] [-- COMMAND...]
 *     node bench/run.mjs failover [--runs 5] [--write]
 *
 * `--write` puts the tables into bench/README.md. A command after `--` runs among as many hosts as the largest number
 * says, in place of the benchmark, for profiling: inventory and job lie in /run/bench.
 */
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ansible, floor, hasAnsible, lvsctl, PARALLEL } from './contestants.mjs';
import { failover } from './failover.mjs';
import { address, prepare, startHosts } from './farm.mjs';
import { median, peak, run } from './measure.mjs';
import { proxy } from './proxy.mjs';
import { text } from './report.mjs';
import { ROOT } from './work.mjs';

const { values, positionals } = parseArgs({
  args: process.argv[2] === 'failover' ? [] : process.argv.slice(2),
  allowPositionals: true,
  options: {
    hosts: { type: 'string', default: '1,10,50,500' },
    runs: { type: 'string', default: '5' },
    only: { type: 'string', default: 'times,delay,trips,startups' },
    'no-ansible': { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
  },
});
const sizes = values.hosts.split(',').map(Number);
const runs = Number(values.runs);
const parts = values.only.split(',');
/** Milliseconds. */
const ROUND_TRIP = 20;
const ROUND_TRIPS_SEEN_AT = 60;
const SHARED = 600;

if (process.argv[2] === 'failover') await failover(process.argv.slice(3));
else if (process.env.BENCH_INSIDE === '1') await inside();
else outside();

/** Starts this program once more in namespaces of its own; with it ends everything that it started. */
function outside() {
  const root = process.getuid?.() === 0;
  const user = root ? [] : ['--user', '--map-root-user', '--map-auto'];
  const child = spawn(
    'unshare',
    [
      ...user,
      '--net',
      '--mount',
      '--pid',
      '--fork',
      '--kill-child',
      '--mount-proc',
      '--',
      process.execPath,
      ...process.argv.slice(1),
    ],
    {
      env: { ...process.env, BENCH_INSIDE: '1', BENCH_USER_NAMESPACE: root ? '0' : '1' },
      // Its stdin closes when this process is gone, whatever ended it.
      stdio: ['pipe', 'inherit', 'inherit'],
    },
  );
  const stop = () => child.stdin.end();
  process.on('SIGINT', stop).on('SIGTERM', stop).on('SIGHUP', stop);
  child.once('error', (error) => {
    console.error(`bench: unshare (util-linux) can't be run: ${error.message}`);
    process.exitCode = 1;
  });
  child.once('exit', (code) => {
    process.exitCode = code ?? 1;
  });
}

async function inside() {
  process.stdin.on('end', () => process.exit(130)).resume();
  // Ctrl-C reaches the whole foreground group: the process outside then closes stdin.
  process.on('SIGINT', () => {});
  process.on('unhandledRejection', (error) => {
    console.error(error);
    process.exit(1);
  });
  prepare();
  const most = Math.max(...sizes);
  note(`starting ${most} hosts`);
  await startHosts(0, most, { maxStartups: '1000:30:2000' });
  if (positionals.length > 0) return command(most);
  const report = { direct: [], delayed: [], trips: [], startups: [], roundTrip: ROUND_TRIP };
  if (parts.includes('times')) for (const size of sizes) report.direct.push(...(await compare(size, 1)));
  if (parts.includes('delay')) {
    await startDelay(most);
    for (const size of sizes) report.delayed.push(...(await compare(size, 2)));
  }
  if (parts.includes('trips')) report.trips = await roundTrips();
  if (parts.includes('startups')) report.startups = await behindOne();
  const tables = text(report);
  console.log(`\n${tables}\n`);
  if (values.write) write(tables);
  process.exit(0);
}

function note(words) {
  console.error(`bench: ${words} (load ${loadavg()[0].toFixed(1)})`);
}

async function command(most) {
  const addresses = Array.from({ length: most }, (_, n) => address(n));
  const one = (await floor('job', addresses)).argv;
  const other = lvsctl('inventory', addresses).argv;
  note(`${one.join(' ')}\n${other.join(' ')}`);
  const child = spawn(positionals[0], positionals.slice(1), { stdio: ['ignore', 'inherit', 'inherit'] });
  process.exit(await new Promise((resolve) => child.once('close', resolve)));
}

/** Contestants in turn, `runs` times; the first round only warms caches. */
async function compare(size, net) {
  const addresses = Array.from({ length: size }, (_, n) => address(n, net));
  const name = `net${net}-${size}`;
  const contestants = [
    { name: 'floor', ...(await floor(name, addresses)), results: [] },
    { name: 'lvsctl', ...lvsctl(name, addresses), results: [] },
  ];
  if (!values['no-ansible'] && size <= 50 && net === 1 && hasAnsible()) {
    contestants.push({ name: 'ansible --check', ...ansible(name, addresses), results: [] });
  }
  for (let round = 0; round <= runs; round++) {
    for (const one of contestants) {
      const result = await run(one.argv);
      if (result.code !== 0) throw new Error(`${one.name} failed (${result.code}):\n${result.out}${result.err}`);
      if (round > 0) one.results.push(result);
    }
    note(
      `${size} hosts, round ${round} of ${runs}: ${contestants.map((one) => `${one.name} ${(one.results.at(-1)?.wall ?? 0).toFixed(2)}`).join(', ')}`,
    );
  }
  const rows = [];
  for (const { name, argv, results } of contestants) {
    rows.push({
      hosts: size,
      name,
      wall: median(results.map(({ wall }) => wall)),
      cpu: median(results.map(({ cpu }) => cpu)),
      peak: argv[0] === process.execPath ? await peak(argv) : undefined,
    });
  }
  return rows;
}

/** The delaying proxy is a process of its own: its CPU time is nobody's. */
async function startDelay(hosts) {
  const child = spawn(process.execPath, [join(ROOT, 'bench/proxy.mjs'), String(hosts), String(ROUND_TRIP)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await new Promise((resolve) => child.stdout.once('data', resolve));
}

/** Counted with a long way between, so that what is sent together counts once. */
async function roundTrips() {
  const way = await proxy(address(0, 3), address(0), ROUND_TRIPS_SEEN_AT);
  const rows = [];
  for (const one of [
    { name: 'floor', ...(await floor('trips', [address(0, 3)])) },
    { name: 'lvsctl', ...lvsctl('trips', [address(0, 3)]) },
  ]) {
    const counts = [];
    for (let round = 0; round < runs; round++) {
      way.count.trips = 0;
      way.count.bytes = 0;
      await run(one.argv);
      counts.push({ ...way.count });
    }
    const middle = (what) => median(counts.map((count) => count[what]));
    rows.push({ name: one.name, trips: middle('trips'), bytes: middle('bytes') });
  }
  way.close();
  return rows;
}

/** Fifty inventory hosts that are one sshd with OpenSSH's own MaxStartups. */
async function behindOne() {
  await startHosts(SHARED, SHARED + 1, { maxStartups: 'default' });
  const addresses = Array.from({ length: PARALLEL }, () => address(SHARED));
  const bare = (await floor('shared', addresses)).argv;
  const own = [...lvsctl('shared', addresses).argv, '--json'];
  const rows = [
    { name: 'floor', read: [] },
    { name: 'lvsctl', read: [] },
  ];
  for (let round = 0; round < runs; round++) {
    rows[0].read.push(Number(/^(\d+) of/m.exec((await run(bare)).out)?.[1]));
    const { out } = await run(own);
    const plan = out.split('\n').find((line) => line.includes('"event":"plan"'));
    rows[1].read.push(plan === undefined ? 0 : JSON.parse(plan).plan.hosts.length);
  }
  return rows;
}

function write(tables) {
  const file = join(ROOT, 'bench/README.md');
  const [cpu] = cpus();
  const where = `${new Date().toISOString().slice(0, 10)}, Linux ${release().split('-')[0]}, Node ${process.versions.node}, ${cpus().length} cores (${cpu.model.trim()}), medians of ${runs}, load ${loadavg()[1].toFixed(0)} at the end`;
  const old = readFileSync(file, 'utf8');
  const fresh = old.replace(
    /(<!-- tables -->\n)[\s\S]*(<!-- end -->)/,
    (_, head, tail) => `${head}\n${where}\n\n${tables}\n\n${tail}`,
  );
  writeFileSync(file, fresh);
}
