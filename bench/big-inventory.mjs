// How long `lvsctl validate` takes for an inventory of 50,000 lines, and what memory: node bench/big-inventory.mjs
// Time of the processor counts other work on the machine for little; the time until the end is what one waits.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const LINES = 50_000;
const HOSTS = 7000;

/** Hosts and services over several lines each, as people write them. */
function inventory() {
  const lines = ['version: 1', 'name: big', 'hosts:', '  lvs: { interfaces: { eth0: { addresses: [10.255.0.1/8] } } }'];
  for (let n = 1; n <= HOSTS; n += 1) {
    const address = `          - 10.${n >> 16}.${(n >> 8) & 255}.${n & 255}/8`;
    lines.push(
      `  web${n}:`,
      '    interfaces:',
      '      eth0:',
      '        addresses:',
      address,
      '        gateway: 10.255.255.254',
    );
  }
  lines.push('services:');
  for (let n = 0; lines.length < LINES - 8; n += 1) {
    lines.push(`  s${n}:`, '    mode: dr', '    vip: 10.254.0.1', `    port: ${1000 + n}`, '    directors: [lvs]');
    lines.push(
      '    real_servers:',
      `      web${((n * 7) % HOSTS) + 1}: {}`,
      `      web${((n * 7 + 1) % HOSTS) + 1}: {}`,
    );
  }
  return `${lines.join('\n')}\n`;
}

const folder = mkdtempSync(join(tmpdir(), 'lvsctl-bench-'));
const file = join(folder, 'lvs.yaml');
writeFileSync(file, inventory());
const program = fileURLToPath(new URL('../dist/lvsctl.js', import.meta.url));
const measure = `process.on('exit', () => { const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage();
  console.error(((userCPUTime + systemCPUTime) / 1e6).toFixed(2) + ' s of the processor, ' +
    (performance.now() / 1e3).toFixed(2) + ' s until the end, ' + Math.round(maxRSS / 1024) + ' MB') })`;
const run = spawnSync(
  process.execPath,
  ['--import', `data:text/javascript,${encodeURIComponent(measure)}`, program, 'validate', '-i', file],
  { encoding: 'utf8' },
);
rmSync(folder, { recursive: true });
process.stdout.write(`${inventory().split('\n').length - 1} lines: ${run.stderr.trim()}\n${run.stdout}`);
