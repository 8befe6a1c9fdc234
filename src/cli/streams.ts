/**
 * Notices what stdout and stderr don't take, from the first word on. Nobody reads any more (lvsctl plan | head): what
 * goes on is brought to its end all the same, for an apply is no better off half done. A disk that takes no more words
 * is told in one line, and makes an exit code of 0 a 1.
 */
export function watchStreams(): void {
  let told = false;
  const unheard = (error: NodeJS.ErrnoException): void => {
    if (error.code === 'EPIPE' || told) return;
    told = true;
    // The last words fail only after the command has ended, and its exit code is set.
    process.once('exit', (code) => {
      if (code === 0) process.exitCode = 1;
    });
    void tell(error.code ?? error.message);
  };
  process.stdout.on('error', unheard);
  process.stderr.on('error', unheard);
}

async function tell(why: string): Promise<void> {
  const { makeOutput } = await import('./output.ts');
  makeOutput(false).problems([
    {
      code: 'CLI-NOT-PRINTED',
      place: { kind: 'none' },
      what: `what the command says can’t be written: ${why}`,
      next: 'Make room where its output goes, and run it again; lvsctl plan tells how the hosts are.',
    },
  ]);
}
