import { PAGE_BYTES } from '../../machine/guest-memory.ts';
import { type GuestMemory, NotRam } from '../../machine/interfaces.ts';
import { PC_MEMORY } from '../pc-map.ts';

/** An opcode that stays undefined (UD0, Intel SDM 2B) with a service's number behind it: how the BIOS's code calls ours. */
const TRAP = [0x0f, 0xff, 0xe8] as const;
/** Bytes of a trap with its number. */
export const TRAP_BYTES = TRAP.length + 1;

/** A trap as source for the assembler. @param service 0 to 255 */
export function trapSource(service: number): string {
  return `db ${[...TRAP, service].join(', ')}`;
}

/** What tells traps of the BIOS from other undefined opcodes: they lie in the BIOS segment or in a copy of its pages. */
export class TrapRecognizer {
  readonly #segment: Uint8Array;
  readonly #memory: GuestMemory;

  /** @param segment the 64 KiB of the BIOS segment as assembled */
  constructor(segment: Uint8Array, memory: GuestMemory) {
    this.#segment = segment;
    this.#memory = memory;
  }

  /** The number of the service whose trap lies at `gpa`, if there is one. @throws {PageAbsent} */
  serviceAt(gpa: number): number | undefined {
    const offset = gpa % this.#segment.length;
    const code = this.#segment.subarray(offset, offset + TRAP_BYTES);
    if (code.length < TRAP_BYTES || TRAP.some((byte, i) => code[i] !== byte)) return undefined;
    const inSegment = gpa >= PC_MEMORY.biosSegment && gpa < PC_MEMORY.oneMebibyte;
    const [from, length] = inSegment ? [gpa, TRAP_BYTES] : [gpa - (gpa % PAGE_BYTES), PAGE_BYTES];
    return this.#isCopy(from, length) ? code[TRAP_BYTES - 1] : undefined;
  }

  #isCopy(gpa: number, length: number): boolean {
    const offset = gpa % this.#segment.length;
    try {
      const bytes = this.#memory.forRead(gpa, length);
      return bytes.every((byte, i) => byte === this.#segment[offset + i]);
    } catch (error) {
      if (error instanceof NotRam) return false;
      throw error;
    }
  }
}
