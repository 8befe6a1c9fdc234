/** A regular file with these bytes, owner and mode, or no file at all. */
export type FileResource =
  | {
      kind: 'file';
      path: string;
      state: 'present';
      /** UTF-8 text. */
      content: string;
      owner: string;
      group: string;
      /** Octal with leading zero, e.g. `0644`. */
      mode: string;
    }
  | { kind: 'file'; path: string; state: 'absent' };
