/**
 * One word for a POSIX shell: in single quotes, which nothing but a single quote ends.
 * Throws on NUL, which no argv can carry.
 */
export function quoteWord(word: string): string {
  if (word.includes('\0')) throw new RangeError('an argument cannot hold a NUL byte');
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** The exit code that stands for a login shell which can't be handed words with line breaks in them. */
export const NO_POSIX_SHELL = 97;

/**
 * csh and tcsh end a word at a line break, whatever quotes are around it, and take the lines after it for commands of
 * their own (as root's: whatever those do). They alone set both variables; in sh, and in fish, this does nothing.
 * Their own `exit` would end the line only.
 */
const NOT_IN_CSH = `test "$shell" = "" || test "$cwd" = "" || exec sh -c "exit ${NO_POSIX_SHELL}"\n`;

/**
 * The command line that makes a login shell run exactly these words. `exec`, so that the shell is replaced by the
 * program: one fork less, and a signal that ends the program reaches sshd as a signal. A login shell that would take
 * them for something else gives way to one that ends with `NO_POSIX_SHELL`.
 */
export function commandLine(argv: readonly string[]): string {
  if (argv.length === 0) throw new RangeError('nothing to run');
  const words = `exec ${argv.map(quoteWord).join(' ')}`;
  return words.includes('\n') ? NOT_IN_CSH + words : words;
}
