/**
 * One word for a POSIX shell: in single quotes, which nothing but a single quote ends.
 * Throws on NUL, which no argv can carry.
 */
export function quoteWord(word: string): string {
  if (word.includes('\0')) throw new RangeError('an argument cannot hold a NUL byte');
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/**
 * The command line that makes a login shell run exactly these words. `exec`, so that the shell is replaced by the
 * program: one fork less, and a signal that ends the program reaches sshd as a signal.
 */
export function commandLine(argv: readonly string[]): string {
  if (argv.length === 0) throw new RangeError('nothing to run');
  return `exec ${argv.map(quoteWord).join(' ')}`;
}
