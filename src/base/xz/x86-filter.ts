// The .xz file format, section 5.3.2 ("Branch/Call/Jump filters for executables"), names the filter and leaves its
// rules to those who have it: they stand at X86Filter.

const CALL = 0xe8;
/** Four bytes in a word. */
const EACH_BYTE_EVEN = 0xfefefefe | 0;
const EACH_BYTE_CALL = 0xe8e8e8e8 | 0;
const EACH_BYTE_ONE = 0x01010101;
const EACH_BYTE_HIGH = 0x80808080 | 0;
const INSTRUCTION_BYTES = 5;
/** What one call goes through: the host's compiler replaces a function that is called again sooner than one that loops on. */
const RUN_BYTES = 1 << 13;

/** Undoes the filter that makes the relative addresses of calls and jumps (E8 and E9) absolute, as they pack better so.
 *
 * An address is a word behind the opcode whose highest byte is 00 or FF; that byte is then a copy of bit 24. An opcode
 * with another word behind it is left as it is, and is in the way of opcodes in the three bytes behind it: with two of
 * them before it, or one that was left for this reason though its word had such a byte, an opcode is left as well. With
 * one of them before it the address is converted, but the byte in it that is the highest one of the word of that other
 * opcode may not become 00 or FF, for which the filter inverts it and all below it and converts once more. */
export class X86Filter {
  readonly #bytes: Uint8Array;
  readonly #words: DataView;
  readonly #startOffset: number;
  #at = 0;
  #lastOpcode = 0;
  /** Opcodes left as they are, and those among them whose highest byte was 00 or FF: bit n is n bytes before the last. */
  #left = 0;
  #leftAddresses = 0;

  /** @param bytes a block, all of it, that is changed in place  @param startOffset what addresses count from */
  constructor(bytes: Uint8Array, startOffset: number) {
    this.#bytes = bytes;
    this.#words = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#startOffset = startOffset;
  }

  /** Goes on with what lies before `end`. An instruction may go on behind it, but not behind the block. */
  run(end: number): void {
    const stop = Math.min(end, this.#bytes.length - INSTRUCTION_BYTES + 1);
    while (this.#at < stop) this.#runTo(Math.min(stop, this.#at + RUN_BYTES));
  }

  #runTo(stop: number): void {
    let at = this.#at;
    while (at < stop) {
      at = this.#nextOpcode(at, stop);
      if (at < stop) at += this.#convert(this.#bytes, at);
    }
    this.#at = at;
  }

  /** @returns where there is an E8 or E9, or `stop` */
  #nextOpcode(from: number, stop: number): number {
    const words = this.#words;
    let at = from;
    for (; at + 4 <= stop; at += 4) {
      const others = (words.getInt32(at, true) & EACH_BYTE_EVEN) ^ EACH_BYTE_CALL;
      const zeros = (others - EACH_BYTE_ONE) & ~others & EACH_BYTE_HIGH;
      if (zeros !== 0) return at + ((31 - Math.clz32(zeros & -zeros)) >> 3);
    }
    while (at < stop && (words.getUint8(at) & 0xfe) !== CALL) at++;
    return at;
  }

  /** @returns how many bytes were dealt with */
  #convert(bytes: Uint8Array, at: number): number {
    const distance = at - this.#lastOpcode;
    this.#lastOpcode = at;
    const left = distance > 3 ? 0 : (this.#left << distance) & 0b1110;
    const leftAddresses = distance > 3 ? 0 : (this.#leftAddresses << distance) & 0b1110;
    const isAddress = isExtension(bytes[at + 4]);
    if (!isAddress || leftAddresses !== 0 || (left & (left - 1)) !== 0) {
      this.#left = left | 1;
      this.#leftAddresses = leftAddresses | (isAddress ? 1 : 0);
      return 1;
    }
    this.#left = 0;
    this.#leftAddresses = 0;
    this.#putAddress(bytes, at, left);
    return INSTRUCTION_BYTES;
  }

  /** @param left a bit for an opcode 1, 2 or 3 bytes before, or 0 */
  #putAddress(bytes: Uint8Array, at: number, left: number): void {
    const next = (at + INSTRUCTION_BYTES + this.#startOffset) | 0;
    const absolute = bytes[at + 1] | (bytes[at + 2] << 8) | (bytes[at + 3] << 16) | (bytes[at + 4] << 24);
    let relative = (absolute - next) | 0;
    if (left !== 0) {
      const bits = left === 0b10 ? 24 : left === 0b100 ? 16 : 8;
      // Not more than once: the inverse of the byte that is there, which is no extension, comes out the second time.
      if (isExtension((relative >>> (bits - 8)) & 0xff)) relative = ((relative ^ ((1 << bits) - 1)) - next) | 0;
    }
    bytes[at + 1] = relative;
    bytes[at + 2] = relative >>> 8;
    bytes[at + 3] = relative >>> 16;
    bytes[at + 4] = (relative >>> 24) & 1 ? 0xff : 0;
  }
}

/** Whether a highest byte is what 24 bits give when they are extended with their sign. */
function isExtension(byte: number): boolean {
  return byte === 0 || byte === 0xff;
}
