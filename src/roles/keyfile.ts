/**
 * NetworkManager's keyfiles as lists of lines, so that what lvsctl doesn't manage stays as it is, in its order.
 * Format: nm-settings-keyfile(5), GLib's GKeyFile.
 */

/** A line of a section: an assignment, or anything else (comment, empty line), verbatim. */
type Line = { key: string; value: string } | { verbatim: string };

interface Section {
  name: string;
  lines: Line[];
}

export interface Keyfile {
  /** Lines before the first section. */
  head: string[];
  sections: Section[];
}

/** Parses a keyfile. Never fails: what is not understood is kept verbatim. Pure. */
export function parseKeyfile(text: string): Keyfile {
  const file: Keyfile = { head: [], sections: [] };
  for (const raw of text.replace(/\n$/, '').split('\n')) {
    const section = /^\[([^\]]+)\]\s*$/.exec(raw);
    const current = file.sections.at(-1);
    if (section?.[1] !== undefined) file.sections.push({ name: section[1], lines: [] });
    else if (current === undefined) {
      if (raw !== '' || file.head.length > 0) file.head.push(raw);
    } else {
      const pair = /^([^#=\s][^=]*?)\s*=\s*(.*)$/.exec(raw);
      current.lines.push(pair?.[1] !== undefined ? { key: pair[1], value: pair[2] ?? '' } : { verbatim: raw });
    }
  }
  return file;
}

/** The text of a keyfile: parsing it gives the same again. Pure. */
export function printKeyfile(file: Keyfile): string {
  const sections = file.sections.flatMap((section) => [
    `[${section.name}]`,
    ...section.lines.map((line) => ('key' in line ? `${line.key}=${line.value}` : line.verbatim)),
  ]);
  return `${[...file.head, ...sections].join('\n')}\n`;
}

/** Which keys of a section lvsctl owns: those go, and the wanted ones come in their place. */
export type Owned = Readonly<Record<string, (key: string) => boolean>>;

/**
 * Lays wanted settings over what stands on a host: in each section of `wanted`, owned keys are replaced, everything
 * else is kept, and its order. Laying the same over the result changes nothing. Pure.
 */
export function overlay(existing: Keyfile, wanted: Keyfile, owned: Owned): Keyfile {
  const kept = existing.sections.map((section): Section => {
    const own = owned[section.name];
    const over = wanted.sections.find(({ name }) => name === section.name);
    if (own === undefined || over === undefined) return section;
    const ours = over.lines.filter((line) => 'key' in line && own(line.key));
    return { name: section.name, lines: replaced(section.lines, ours, own) };
  });
  const added = wanted.sections
    .filter(({ name }) => !kept.some((section) => section.name === name))
    .map(({ name, lines }): Section => {
      const own = owned[name] ?? (() => false);
      const pairs = lines.filter((line) => 'key' in line);
      return {
        name,
        lines: replaced(
          pairs,
          pairs.filter((line) => own(line.key)),
          own,
        ),
      };
    });
  const [mark] = wanted.head;
  const head = mark === undefined || existing.head.includes(mark) ? existing.head : [mark, ...existing.head];
  return { head, sections: added.reduce<Section[]>((all, section) => [...apart(all), section], kept) };
}

/** The sections with an empty line behind the last. */
function apart(sections: readonly Section[]): Section[] {
  return sections.map((section, index) => {
    const end = section.lines.at(-1);
    if (index < sections.length - 1 || (end !== undefined && 'verbatim' in end && end.verbatim === '')) return section;
    return { ...section, lines: [...section.lines, { verbatim: '' }] };
  });
}

/** Puts `ours` where the first owned key stood, else behind the last assignment. */
function replaced(lines: readonly Line[], ours: readonly Line[], own: (key: string) => boolean): Line[] {
  const isOwned = (line: Line) => 'key' in line && own(line.key);
  const first = lines.findIndex(isOwned);
  const lastPair = lines.findLastIndex((line) => 'key' in line);
  const position = first === -1 ? lastPair + 1 : first;
  const before = lines.slice(0, position).filter((line) => !isOwned(line));
  const after = lines.slice(position).filter((line) => !isOwned(line));
  return [...before, ...ours, ...after];
}
