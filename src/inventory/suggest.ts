import { distance } from 'fastest-levenshtein';

/** So many names still tell something; all checks of keepalived, all schedulers and the like are fewer. */
const SHOWN = 30;

/**
 * The candidate that was probably meant: the only one that begins so, or the nearest, if at most a third of its letters
 * differ (letters that only changed places count as one). Pure.
 */
export function suggest(word: string, candidates: readonly string[]): string | undefined {
  if (candidates.length > MANY) return candidates.find((candidate) => isSlip(word, candidate));
  const longer = candidates.filter((candidate) => word.length > 1 && candidate.startsWith(word));
  if (longer.length === 1) return longer[0];
  const near = candidates
    .map((candidate) => ({ candidate, away: away(word.toLowerCase(), candidate.toLowerCase()) }))
    .filter(({ candidate, away }) => away <= Math.max(1, Math.floor(Math.max(word.length, candidate.length) / 3)))
    .sort((a, b) => a.away - b.away);
  return near[0]?.candidate;
}

/** Of so many candidates one is found by looking at each for a moment: thousands of names may be wrong at once. */
const MANY = 500;

/** Whether two words differ in one place alone: a letter more, less or another, or two letters changed round. Pure. */
function isSlip(a: string, b: string): boolean {
  if (Math.abs(a.length - b.length) > 1) return false;
  let from = 0;
  while (from < a.length && a[from] === b[from]) from += 1;
  let end = 0;
  while (end < Math.min(a.length, b.length) - from && a[a.length - 1 - end] === b[b.length - 1 - end]) end += 1;
  const [x, y] = [a.slice(from, a.length - end), b.slice(from, b.length - end)];
  return Math.max(x.length, y.length) <= 1 || (x.length === 2 && x === [...y].reverse().join(''));
}

function away(a: string, b: string): number {
  return a !== b && letters(a) === letters(b) ? 1 : distance(a, b);
}

function letters(word: string): string {
  return [...word].sort().join('');
}

/** What to do about a word that isn't known: the likely one, else all that are. Pure. */
export function suggestion(word: string, candidates: readonly string[]): string {
  const meant = suggest(word, candidates);
  if (meant !== undefined) return `Did you mean “${meant}”?`;
  if (candidates.length === 0) return 'There is none to name yet.';
  const shown = candidates.slice(0, SHOWN).join(', ');
  return candidates.length <= SHOWN
    ? `There are: ${shown}.`
    : `There are ${candidates.length}: ${shown} … Look for the one that was meant.`;
}
