/** A stream that text is written to, or bytes as they are. */
export interface Output {
  write(text: string | Uint8Array): void;
  /** A person may be looking. */
  readonly isTerminal: boolean;
  /** Colours are wanted: a terminal that has them, and neither NO_COLOR nor its like. */
  readonly hasColors: boolean;
}

/** All that a command touches of the outside; made from the process by main.ts, from memory by tests. */
export interface Io {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly homeFolder: string;
  /** The folder the user stood in; relative paths start here. */
  readonly folder: string;
  readonly stdout: Output;
  readonly stderr: Output;
  /** All of standard input, at most 1 MiB unless told otherwise. */
  readStdin(maxBytes?: number): Promise<Buffer>;
  /** Standard input piece by piece. */
  streamStdin(): AsyncIterable<Uint8Array>;
  /** Asks without echo; absent where nobody can be asked. */
  readonly prompt?: ((question: string) => Promise<string>) | undefined;
  /** Opens an address in the person's browser, and says whether that was tried; absent where there is none to open. */
  readonly openBrowser?: ((url: string) => Promise<boolean>) | undefined;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly nodeVersion: string;
  /** Aborted by SIGINT or SIGTERM. */
  readonly signal: AbortSignal;
}
