import pc from 'picocolors';

/** The few meanings that colour carries; plain text where colour is off (no terminal, NO_COLOR). */
export interface Paint {
  added(text: string): string;
  removed(text: string): string;
  changed(text: string): string;
  strong(text: string): string;
  faint(text: string): string;
}

/** @param colour whether the stream shows colours */
export function makePaint(colour: boolean): Paint {
  const colours = pc.createColors(colour);
  return {
    added: colours.green,
    removed: colours.red,
    changed: colours.yellow,
    strong: colours.bold,
    faint: colours.dim,
  };
}

/** Whether a stream gets colours: a terminal, unless NO_COLOR is set (https://no-color.org); FORCE_COLOR wins. */
export function wantsColour(stream: { isTTY?: boolean }, env: NodeJS.ProcessEnv): boolean {
  if (env.FORCE_COLOR !== undefined && env.FORCE_COLOR !== '0') return true;
  return stream.isTTY === true && !env.NO_COLOR && env.TERM !== 'dumb';
}

/**
 * Text from a host or a file, made safe for a terminal: control characters (but tab) and the marks that reverse
 * the reading direction are shown as escapes.
 */
export function printable(text: string): string {
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, (char) => {
    const code = char.codePointAt(0) ?? 0;
    return code > 0xff ? `\\u${code.toString(16).padStart(4, '0')}` : `\\x${code.toString(16).padStart(2, '0')}`;
  });
}
