import { distance } from 'fastest-levenshtein';

/**
 * The candidate that was probably meant: the only one that begins so, or the nearest, if at most a third of its letters
 * differ (letters that only changed places count as one). Pure.
 */
export function suggest(word: string, candidates: readonly string[]): string | undefined {
  const longer = candidates.filter((candidate) => word.length > 1 && candidate.startsWith(word));
  if (longer.length === 1) return longer[0];
  const near = candidates
    .map((candidate) => ({ candidate, away: away(word.toLowerCase(), candidate.toLowerCase()) }))
    .filter(({ candidate, away }) => away <= Math.max(1, Math.floor(Math.max(word.length, candidate.length) / 3)))
    .sort((a, b) => a.away - b.away);
  return near[0]?.candidate;
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
  return candidates.length === 0 ? 'There is none to name yet.' : `There are: ${candidates.join(', ')}.`;
}
