/**
 * `npm run bench -- failover`: what a failover costs. Brings the cluster of inventories/dr-keepalived.yaml up in the
 * lab, asks for its page 50 times a second with a limit of one second each, and cuts the master's power.
 *
 *     npm run bench -- failover [--runs 5] [--lab INVENTORY] [--write]
 *
 * `--lab` takes the running lab of a copy of that inventory, and leaves it running; `--write` puts the
 * table into bench/README.md.
 */
import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { median } from './measure.mjs';
import { table } from './report.mjs';
import { ROOT } from './work.mjs';

const VIP = '192.168.148.161';
const DIRECTORS = {
  lvs1: { address: '192.168.148.130', priority: 100 },
  lvs2: { address: '192.168.148.131', priority: 90 },
};
const ADVERT_INTERVAL = 1;
const RATE = 50;
const LIMIT = 1;
/** Seconds that everything runs before the cut, and all in all. */
const BEFORE = 3;
const LASTS = 14;

/** @returns {Promise<void>} */
export async function failover(argv) {
  const { values } = parseArgs({
    args: argv,
    options: {
      runs: { type: 'string', default: '5' },
      lab: { type: 'string' },
      write: { type: 'boolean', default: false },
    },
  });
  const own = values.lab === undefined ? mkdtempSync(join(tmpdir(), 'lvsctl-bench-')) : undefined;
  if (own !== undefined) cpSync(join(ROOT, 'inventories'), own, { recursive: true });
  const lvsctl = programOf(values.lab ?? join(own, 'dr-keepalived.yaml'));
  try {
    note('starting seven machines');
    await lvsctl('lab', 'up');
    await lvsctl('apply', '--lab', '--yes', '--step-timeout', '1800');
    const rows = [];
    for (let run = 1; run <= Number(values.runs); run++) {
      rows.push(await once(lvsctl));
      note(`cut ${run} of ${values.runs}: ${JSON.stringify(rows.at(-1))}`);
    }
    const said = text(rows);
    console.log(`\n${said}\n`);
    if (values.write) write(said);
  } finally {
    if (own !== undefined) {
      await lvsctl('lab', 'down').catch(() => {});
      rmSync(own, { recursive: true, force: true });
    }
  }
}

function note(words) {
  console.error(`bench: ${words} (load ${loadavg()[0].toFixed(1)})`);
}

/** The built program with an inventory: `lvsctl(...args)` gives its output, `lvsctl.start(...args)` the running child. */
function programOf(inventory) {
  const start = (command, ...rest) => {
    // `lab run` takes all that follows a host as the command: the inventory comes before.
    const nested = command === 'lab' ? [command, rest.shift()] : [command];
    return spawn(process.execPath, [join(ROOT, 'dist/lvsctl.js'), ...nested, '-i', inventory, ...rest], {
      env: { ...process.env, LVS_VRRP_PASS: 'k33p-8ch' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  };
  const lvsctl = async (...args) => {
    const { out, err, code } = await ended(start(...args));
    if (code !== 0 && args[1] !== 'run') throw new Error(`lvsctl ${args.join(' ')} ended with ${code}:\n${out}${err}`);
    return out;
  };
  return Object.assign(lvsctl, { start });
}

async function ended(child) {
  const said = { out: '', err: '' };
  child.stdout.setEncoding('utf8').on('data', (chunk) => {
    said.out += chunk;
  });
  child.stderr.setEncoding('utf8').on('data', (chunk) => {
    said.err += chunk;
  });
  const code = await new Promise((resolve) => child.once('close', resolve));
  return { ...said, code };
}

const on = (lvsctl, host, command) => lvsctl('lab', 'run', host, '--', 'sh', '-c', command);

async function until(look, tries = 240) {
  for (let left = tries; left > 0; left--) {
    if (await look()) return;
    await sleep(0.5);
  }
  throw new Error('the cluster is not as it should be, and does not become so');
}

const sleep = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

async function holds(lvsctl, host) {
  return (await on(lvsctl, host, 'ip -br address').catch(() => '')).includes(` ${VIP}/`);
}

/** One cut, and the return of what was cut. */
async function once(lvsctl) {
  await until(() => answered(lvsctl), 60);
  const old = (await holds(lvsctl, 'lvs1')) ? 'lvs1' : 'lvs2';
  const backup = old === 'lvs1' ? 'lvs2' : 'lvs1';
  const announced = `arp and src host ${VIP}`;
  const dump = (filter) => ['tcpdump', '-n', '-e', '-tt', '-l', '-U', '-i', 'ens32', filter];
  const going = (host, signal, argv) =>
    lvsctl.start('lab', 'run', host, '--', 'timeout', '-s', signal, String(LASTS), ...argv);
  const script = readFileSync(join(ROOT, 'test/lab/load.pl'), 'utf8');
  const running = [
    going(backup, 'INT', dump(`ip proto 112 or (${announced})`)),
    going('client', 'INT', dump(announced)),
    going('client', 'TERM', ['perl', '-e', script, VIP, '80', '/', String(RATE), String(LIMIT)]),
  ];
  const results = Promise.all(running.map(ended));
  await Promise.all(running.map(began));
  // The cut falls anywhere between two adverts.
  await sleep(BEFORE + Math.random() * ADVERT_INTERVAL);
  await lvsctl('lab', 'power', 'off', old);
  const [there, here, load] = (await results).map(({ out }) => out.split('\n').filter((line) => line !== ''));
  await lvsctl('lab', 'power', 'on', old);
  await until(async () => (await on(lvsctl, old, 'ipvsadm -Sn')).match(/^-a /gm)?.length === 2);
  return { backup, ...measured(there, here, load, DIRECTORS[backup]) };
}

/** Whether the cluster answers this load at all: an application server needs some hundred requests to become quick. */
async function answered(lvsctl) {
  const script = readFileSync(join(ROOT, 'test/lab/load.pl'), 'utf8');
  const load = ['perl', '-e', script, VIP, '80', '/', String(RATE), String(LIMIT)];
  const out = await lvsctl('lab', 'run', 'client', '--', 'timeout', '-s', 'TERM', '6', ...load);
  const last = out
    .split('\n')
    .slice(1, -1)
    .slice(-3 * RATE);
  return last.length === 3 * RATE && last.every((line) => line.split(' ')[2] === 'ok');
}

/** Resolves when a program has said that it runs. */
function began(child) {
  return new Promise((resolve) => {
    const look = (chunk) => /listening on|^load/m.test(String(chunk)) && resolve();
    child.stdout.on('data', look);
    child.stderr.on('data', look);
  });
}

/** @returns seconds: what the backup waits for by its configuration, the gap in the adverts, and that in the requests. */
function measured(there, here, load, { address, priority }) {
  const time = (line) => Number(line?.split(' ')[0]);
  const sender = (line) => line?.split(' ')[1];
  const adverts = there.filter((line) => line.includes('VRRPv'));
  const own = adverts.find((line) => line.includes(` ${address} >`));
  const advert = time(own);
  const heard = Math.max(...adverts.map(time).filter((at) => at < advert));
  // The clocks of two machines differ by what the gratuitous ARP tells, which both captures hold.
  const announced = (lines) => time(lines.find((line) => line.includes('ARP') && sender(line) === sender(own)));
  const first = advert + announced(here) - announced(there);
  const samples = load.flatMap((line) => {
    const [at, , result] = line.split(' ');
    return result === undefined ? [] : [{ at: Number(at), ok: result === 'ok' }];
  });
  const failed = samples.filter(({ ok }) => !ok).map(({ at }) => at);
  return {
    waits: 3 * ADVERT_INTERVAL + (256 - priority) / 256,
    adverts: advert - heard,
    requests: Math.max(...failed) - Math.min(...failed),
    failed: failed.length,
    after: failed.filter((at) => at > first).length,
    answered: samples.filter(({ at, ok }) => ok && at > first).length,
  };
}

const seconds = (value) => `${value.toFixed(2)} s`;

function text(rows) {
  const over = rows.map(({ adverts, waits }) => adverts - waits);
  const spread = (values) => `${seconds(Math.min(...values))} to ${seconds(Math.max(...values))}`;
  const head = [
    'takes over',
    'waits for',
    'no advert for',
    'requests failed',
    'begun within',
    'failed after its first advert',
  ];
  return [
    table([
      head,
      ...rows.map(({ backup, waits, adverts, failed, requests, after, answered }) => [
        backup,
        seconds(waits),
        seconds(adverts),
        String(failed),
        seconds(requests),
        `${after} of ${after + answered}`,
      ]),
    ]),
    '',
    `No advert for: median ${seconds(median(rows.map(({ adverts }) => adverts)))}, ${spread(rows.map(({ adverts }) => adverts))};`,
    `that is ${seconds(median(over))} (${spread(over)}) more than the configuration says.`,
    `Requests that failed began within: median ${seconds(median(rows.map(({ requests }) => requests)))}, ${spread(rows.map(({ requests }) => requests))}.`,
  ].join('\n');
}

function write(said) {
  const file = join(ROOT, 'bench/README.md');
  const [cpu] = cpus();
  const where = `${new Date().toISOString().slice(0, 10)}, ${cpus().length} cores (${cpu.model.trim()}), load ${loadavg()[1].toFixed(0)} at the end`;
  writeFileSync(
    file,
    readFileSync(file, 'utf8').replace(
      /(<!-- failover -->\n)[\s\S]*(<!-- end of failover -->)/,
      (_, head, tail) => `${head}\n${where}\n\n${said}\n\n${tail}`,
    ),
  );
}
