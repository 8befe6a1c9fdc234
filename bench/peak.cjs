/** Preloaded for the run that measures memory: leaves the process's peak behind, in KiB. */
const { writeFileSync } = require('node:fs');

process.on('exit', () => writeFileSync(process.env.BENCH_PEAK, String(process.resourceUsage().maxRSS)));
