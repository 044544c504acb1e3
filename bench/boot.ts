/** What the child processes that carry a machine are told. */
export interface BootOrder {
  /** Paths of the kernel and of the initial file system. */
  readonly kernel: string;
  readonly initrd: string;
  readonly commandLine: string;
  readonly memoryBytes: number;
  /** Of Vitrine: how guest code is executed; default `jit`. */
  readonly accel?: 'jit' | 'interp';
}

/** A line the guest printed on its console. */
export interface ConsoleLine {
  readonly text: string;
  /** When its end arrived: milliseconds since 1970-01-01, by a clock that does not jump. */
  readonly atMillis: number;
  /** Guest instructions retired until then, where the machine counts them. */
  readonly instructions?: number;
  /** Processor time of the machine's process until then, in milliseconds, where it can tell. */
  readonly cpuMillis?: number;
}

/** The time in {@link ConsoleLine}: equal in every process of a host. */
export function nowMillis(): number {
  return performance.timeOrigin + performance.now();
}

/** Splits a console's bytes into lines, and stamps each when its end comes. */
export class LineStamper {
  readonly #onLine: (line: ConsoleLine) => void;
  readonly #counters: () => Pick<ConsoleLine, 'instructions' | 'cpuMillis'>;
  #text = '';

  /** @param counters what else to stamp lines with */
  constructor(
    onLine: (line: ConsoleLine) => void,
    counters: () => Pick<ConsoleLine, 'instructions' | 'cpuMillis'> = () => ({}),
  ) {
    this.#onLine = onLine;
    this.#counters = counters;
  }

  push(byte: number): void {
    if (byte !== 0x0a) {
      this.#text += String.fromCharCode(byte);
      return;
    }
    this.#onLine({ text: this.#text.trimEnd(), atMillis: nowMillis(), ...this.#counters() });
    this.#text = '';
  }
}

/** The processor time that this process has used, in milliseconds. */
export function cpuMillis(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
