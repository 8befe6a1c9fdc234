import { execFileSync } from 'node:child_process';

/** The command-line and lab tests run the built program: build it from the sources that are being tested. */
export default function setup(): void {
  execFileSync(process.execPath, ['src/build/build.mjs'], { stdio: ['ignore', 'ignore', 'inherit'] });
}
