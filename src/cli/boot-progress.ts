import type { HostCharPort } from '../host/node/char-ports.ts';
import type { CharPort } from '../vm/index.ts';

/** What lines on the console say about how far a boot is, in order. */
const MILESTONES: readonly (readonly [line: RegExp, phase: string])[] = [
  [/./, 'first line from the guest'],
  [/\bLinux version \d/, 'Linux starts'],
  [/\bRun \S+ as init process/, 'init starts'],
];

const LINE_FEED = 0x0a;
const LONGEST_LINE = 256;

/** Tells the phases of a boot and when they were reached, as they show on a console. */
export class BootProgress {
  readonly #tell: (line: string) => void;
  readonly #elapsedMillis: () => number;
  #next = 0;
  #line = '';

  /** @param tell writes a line  @param elapsedMillis since the process started */
  constructor(tell: (line: string) => void, elapsedMillis: () => number) {
    this.#tell = tell;
    this.#elapsedMillis = elapsedMillis;
  }

  /** Tells that a phase is reached now. */
  reached(phase: string): void {
    this.#tell(`${(this.#elapsedMillis() / 1000).toFixed(2).padStart(7)} s  ${phase}`);
  }

  /** A console that is watched on its way out; phases are told between its lines. */
  watch(console: HostCharPort): CharPort {
    return {
      send: (byte) => {
        console.send(byte);
        const phase = this.#see(byte);
        if (phase === undefined) return;
        console.flush();
        this.reached(phase);
      },
      onByte: (receive) => console.onByte(receive),
    };
  }

  /** @returns the phase that is reached with this byte, if any */
  #see(byte: number): string | undefined {
    if (this.#next >= MILESTONES.length) return undefined;
    if (byte !== LINE_FEED) {
      if (this.#line.length < LONGEST_LINE) this.#line += String.fromCharCode(byte);
      return undefined;
    }
    const line = this.#line.trimEnd();
    this.#line = '';
    const index = MILESTONES.findLastIndex(([pattern]) => pattern.test(line));
    if (index < this.#next) return undefined;
    this.#next = index + 1;
    return MILESTONES[index]?.[1];
  }
}
