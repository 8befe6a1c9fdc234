import type { Ssh } from '../inventory/model.ts';

/** How a remote program ended. `code` is null when a signal ended it. */
export interface Exit {
  code: number | null;
  signal: string | null;
}

/** A remote program that is running: bytes in, bytes out. */
export interface Session {
  /** Resolves once the chunk was accepted (backpressure). Rejects when the session is gone. */
  write(chunk: string | Uint8Array): Promise<void>;
  /** Closes the program's stdin. */
  end(): void;
  /** Its stdout as raw bytes, never decoded; ends when the program closes it. One consumer. Throws a LvsctlError when the connection is lost. */
  readonly stdout: AsyncIterable<Uint8Array>;
  /** Its stderr so far, decoded, capped at 64 KiB. */
  stderr(): string;
  /** Resolves when the program ended by itself; rejects with a LvsctlError when the connection was lost, a limit passed or `kill` was called. */
  readonly exit: Promise<Exit>;
  /** Ends the session at once; the connection stays usable. */
  kill(): void;
}

export interface OpenOptions {
  /** Seconds until the session is ended with an error; absent: none. */
  timeout?: number;
  /** What the caller is doing, for errors: `observe`, `apply`, `verify`. */
  phase: string;
}

/** One connection to one host. Many sessions, one after the other or at once. */
export interface Connection {
  readonly host: string;
  /**
   * Runs a program. `argv` arrives as exactly these words whatever the bytes (quoted for the remote shell).
   * With `become: sudo` in the target, it runs as root by sudo; a password that sudo asks for is answered once.
   */
  open(argv: readonly string[], options: OpenOptions): Promise<Session>;
  close(): Promise<void>;
}

/** A host as the transport sees it. */
export interface Target {
  name: string;
  ssh: Ssh;
}

export interface Transport {
  connect(target: Target, options: { phase: string; signal?: AbortSignal }): Promise<Connection>;
  /** Closes shared things (jump hosts). */
  close(): Promise<void>;
}
