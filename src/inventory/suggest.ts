import { closest, distance } from 'fastest-levenshtein';

/** The candidate that was probably meant: one that begins so, or a near one (at most a third of the letters differ). Pure. */
export function suggest(word: string, candidates: readonly string[]): string | undefined {
  if (candidates.length === 0) return undefined;
  const longer = candidates.filter((candidate) => word.length > 2 && candidate.startsWith(word));
  if (longer.length === 1) return longer[0];
  const nearest = closest(word.toLowerCase(), [...candidates]);
  return distance(word.toLowerCase(), nearest.toLowerCase()) <=
    Math.max(1, Math.floor(Math.max(word.length, nearest.length) / 3))
    ? nearest
    : undefined;
}

/** What to do about a word that isn't known: the likely one, else all that are. Pure. */
export function suggestion(word: string, candidates: readonly string[]): string {
  const meant = suggest(word, candidates);
  if (meant !== undefined) return `Did you mean “${meant}”?`;
  return candidates.length === 0 ? 'There is none to name yet.' : `There are: ${candidates.join(', ')}.`;
}
