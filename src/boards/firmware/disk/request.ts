import { EBDA, EBDA_GPA } from '../bda.ts';
import type { Caller } from '../caller.ts';

/** What the BIOS's code does next, in AL: end, wait for an interrupt, move CX words between port DX and ES:DI, or let interrupts in and come back. */
export const ACTION = { done: 0, wait: 1, input: 2, output: 3, poll: 4 } as const;

/** What a request wants. */
export const OPERATION = { read: 1, write: 2, verify: 3 } as const;

const AT = EBDA_GPA + EBDA.request;

type Field = readonly [offset: number, bytes: 1 | 2 | 4];
const FIELD = {
  operation: [0, 1],
  step: [1, 1],
  drive: [2, 1],
  tries: [3, 1],
  /** Blocks still to be moved, of 512 bytes or of a CD's 2048. */
  left: [4, 2],
  done: [6, 2],
  lbaLow: [8, 4],
  lbaHigh: [12, 4],
  /** Where the caller's data lies: a segment's selector and an offset. */
  offset: [16, 2],
  segment: [18, 2],
  deadline: [20, 4],
  /** Where the address packet lies whose count is to be set at the end; 0 without. */
  packet: [24, 4],
  /** AX is to have the number of sectors moved. */
  tellsCount: [28, 1],
} as const satisfies Record<string, Field>;

/** The disk service under way, kept in the extended BIOS data area so that it goes on after a wait. */
export class DiskRequest {
  readonly #caller: Caller;

  constructor(caller: Caller) {
    this.#caller = caller;
  }

  get(name: keyof typeof FIELD): number {
    const [offset, bytes] = FIELD[name];
    return this.#caller.load(AT + offset, bytes);
  }

  set(name: keyof typeof FIELD, value: number): void {
    const [offset, bytes] = FIELD[name];
    this.#caller.store(AT + offset, bytes, value);
  }

  get lba(): number {
    return this.get('lbaLow') + this.get('lbaHigh') * 2 ** 32;
  }
  set lba(value: number) {
    this.set('lbaLow', value % 2 ** 32);
    this.set('lbaHigh', Math.floor(value / 2 ** 32));
  }

  /** Counts blocks as moved and goes on behind them. */
  advance(blocks: number, blockBytes: number): void {
    this.set('left', this.get('left') - blocks);
    this.set('done', this.get('done') + blocks);
    this.lba += blocks;
    const linear = this.get('offset') + blocks * blockBytes;
    this.set('segment', this.get('segment') + ((linear >> 16) << 12));
    this.set('offset', linear & 0xffff);
  }
}
