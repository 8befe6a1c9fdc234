/**
 * The lines that a checker's words name, as `PATH:12: text`, each once. Pure.
 *
 * keepalived: `(/etc/keepalived/keepalived.conf: Line 12) …`, or `(Line 12) …` while it looks through its only file.
 * nginx: `… in /etc/nginx/conf.d/a.conf:12`. Apache: `… on line 12 of /etc/apache2/sites-enabled/a.conf:`.
 * @param files what was checked: text as it stands in the plan, so that no secret is shown
 */
export function linesNamed(words: string, files: readonly { path: string; content: string }[]): string[] {
  const named = new Set<string>();
  for (const word of words.split('\n')) {
    for (const { path, content } of files) {
      const number = numberIn(word, path) ?? (files.length === 1 ? /\(Line (\d+)\)/.exec(word)?.[1] : undefined);
      const line = number === undefined ? undefined : content.split('\n')[Number(number) - 1];
      if (line !== undefined) named.add(`${path}:${number}: ${line.trim()}`);
    }
  }
  return [...named];
}

function numberIn(word: string, path: string): string | undefined {
  for (const form of [`${path}:`, `${path}: Line `]) {
    const at = word.indexOf(form);
    const number = at < 0 ? undefined : /^\d+/.exec(word.slice(at + form.length))?.[0];
    if (number !== undefined) return number;
  }
  const apache = /on line (\d+) of (\S+?):?(?:\s|$)/.exec(word);
  return apache?.[2] === path ? apache[1] : undefined;
}
