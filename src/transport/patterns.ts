/** The patterns of ssh_config(5) and of sshd(8) "SSH_KNOWN_HOSTS FILE FORMAT": `*`, `?` and a leading `!`. */

/** Whether `text` matches one pattern without negation. Linear in time: no backtracking over more than the last `*`. */
export function matchPattern(text: string, pattern: string): boolean {
  let t = 0;
  let p = 0;
  let star = -1;
  let mark = 0;
  while (t < text.length) {
    const c = pattern[p];
    if (c === '*') {
      star = p++;
      mark = t;
    } else if (c !== undefined && (c === '?' || c === text[t])) {
      p++;
      t++;
    } else if (star >= 0) {
      p = star + 1;
      t = ++mark;
    } else {
      return false;
    }
  }
  while (pattern[p] === '*') p++;
  return p === pattern.length;
}

/** Whether a list matches: some pattern does, and no negated one does (which wins, wherever it stands). */
export function matchPatternList(text: string, patterns: readonly string[]): boolean {
  let matched = false;
  for (const pattern of patterns) {
    if (pattern.startsWith('!')) {
      if (matchPattern(text, pattern.slice(1))) return false;
    } else if (!matched) {
      matched = matchPattern(text, pattern);
    }
  }
  return matched;
}
