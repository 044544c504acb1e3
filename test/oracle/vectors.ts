/** Recorded cases and what the processor did with them, and the compact files that hold them. */

import { brotliCompressSync, brotliDecompressSync, constants } from 'node:zlib';
import { type Bits, FX_BYTES, initialState, PROFILES, type Profile } from './initial-state.ts';

/** Code to be executed from the state that mode, profile and seed determine. */
export interface TestCase {
  readonly bits: Bits;
  readonly profile: Profile;
  readonly seed: number;
  readonly code: readonly number[];
}

/** The state after a case. */
export interface Outcome {
  /** 3 where the code ended at an INT3 behind it, else the exception. */
  readonly vector: number;
  readonly errorCode: number;
  /** Of the INT3, or of the instruction that faulted; in 16-bit mode an offset in the code segment. */
  readonly rip: bigint;
  readonly gpr: readonly bigint[];
  readonly flags: number;
  /** FXSAVE image. */
  readonly fx: Uint8Array;
  /** New bytes of the data area by offset, ascending. */
  readonly memory: readonly (readonly [offset: number, value: number])[];
}

export interface Vector {
  readonly test: TestCase;
  readonly outcome: Outcome;
}

/** A file of vectors. */
export interface VectorFile {
  /** Vendor, family, model, stepping and name of the processor that was asked. */
  readonly processor: string;
  readonly vectors: readonly Vector[];
}

const MAGIC = 'vitrine vectors 1\n';
const BITS: readonly Bits[] = [16, 32, 64];
/** Bytes of the FXSAVE image that are not recorded: FOP, FIP, FDP and the mask of MXCSR. */
const FX_IGNORED: readonly (readonly [number, number])[] = [
  [5, 24],
  [28, 32],
];

/** Growing bytes with the few number formats of the file. */
class Sink {
  #bytes = new Uint8Array(1 << 20);
  #length = 0;

  byte(value: number): void {
    if (this.#length === this.#bytes.length) {
      const larger = new Uint8Array(this.#bytes.length * 2);
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    this.#bytes[this.#length++] = value;
  }
  append(bytes: Iterable<number>): void {
    for (const byte of bytes) this.byte(byte);
  }
  /** LEB128. */
  number(value: bigint | number): void {
    let rest = BigInt(value);
    do {
      const low = Number(rest & 0x7fn);
      rest >>= 7n;
      this.byte(rest === 0n ? low : low | 0x80);
    } while (rest !== 0n);
  }
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }
}

class Source {
  readonly #bytes: Uint8Array;
  #at = 0;
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }
  get atEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }
  byte(): number {
    return this.#bytes[this.#at++];
  }
  take(count: number): Uint8Array {
    this.#at += count;
    return this.#bytes.subarray(this.#at - count, this.#at);
  }
  /** 32 bits. */
  word(): number {
    const [a, b, c, d] = this.take(4);
    return (a | (b << 8) | (c << 16) | (d << 24)) >>> 0;
  }
  number(): bigint {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = this.byte();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  }
}

/** Eight-byte words of the FXSAVE image with what is not recorded made zero. */
function comparableFx(fx: Uint8Array): BigUint64Array {
  const copy = fx.slice();
  for (const [from, to] of FX_IGNORED) copy.fill(0, from, to);
  for (let st = 32; st < 160; st += 16) copy.fill(0, st + 10, st + 16);
  return new BigUint64Array(copy.buffer);
}

function writeDifferences(sink: Sink, before: ArrayLike<bigint>, after: ArrayLike<bigint>): void {
  const changed: number[] = [];
  for (let i = 0; i < after.length; i++) if (before[i] !== after[i]) changed.push(i);
  sink.number(changed.length);
  for (const i of changed) {
    sink.byte(i);
    sink.number(after[i]);
  }
}

function readDifferences(source: Source, before: ArrayLike<bigint>): bigint[] {
  const after = Array.from(before);
  for (let left = Number(source.number()); left > 0; left--) {
    const i = source.byte();
    after[i] = source.number();
  }
  return after;
}

function writeVector(sink: Sink, { test, outcome }: Vector): void {
  const before = initialState(test.bits, test.profile, test.seed);
  sink.byte(BITS.indexOf(test.bits) | (PROFILES.indexOf(test.profile) << 2));
  sink.append(new Uint8Array(new Uint32Array([test.seed]).buffer));
  sink.byte(test.code.length);
  sink.append(test.code);
  sink.byte(outcome.vector);
  sink.number(outcome.errorCode);
  sink.number(outcome.rip);
  sink.number(outcome.flags ^ before.flags);
  writeDifferences(sink, before.gpr, outcome.gpr);
  writeDifferences(sink, comparableFx(before.fx), comparableFx(outcome.fx));
  sink.number(outcome.memory.length);
  let last = 0;
  for (const [offset, value] of outcome.memory) {
    sink.number(offset - last);
    sink.byte(value);
    last = offset;
  }
}

function readTest(source: Source): TestCase {
  const kind = source.byte();
  const seed = source.word();
  const code = [...source.take(source.byte())];
  return { bits: BITS[kind & 3], profile: PROFILES[kind >> 2], seed, code };
}

function readVector(source: Source): Vector {
  const test = readTest(source);
  const before = initialState(test.bits, test.profile, test.seed);
  const vector = source.byte();
  const errorCode = Number(source.number());
  const rip = source.number();
  const flags = Number(source.number()) ^ before.flags;
  const gpr = readDifferences(source, before.gpr);
  const fx = new Uint8Array(new BigUint64Array(readDifferences(source, comparableFx(before.fx))).buffer);
  const memory: [number, number][] = [];
  let offset = 0;
  for (let left = Number(source.number()); left > 0; left--) {
    offset += Number(source.number());
    memory.push([offset, source.byte()]);
  }
  return { test, outcome: { vector, errorCode, rip, flags, gpr, fx, memory } };
}

/** The bytes of a file: a header that can be read, a line naming the processor, then compressed vectors. */
export function writeVectorFile({ processor, vectors }: VectorFile): Uint8Array {
  const sink = new Sink();
  for (const vector of vectors) writeVector(sink, vector);
  const body = brotliCompressSync(sink.bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } });
  return Buffer.concat([Buffer.from(`${MAGIC}${processor}\n`), body]);
}

/** @throws Error for a file of another kind or version */
export function readVectorFile(bytes: Uint8Array): VectorFile {
  const text = Buffer.from(bytes.subarray(0, 256)).toString('latin1');
  if (!text.startsWith(MAGIC)) throw new Error('this is not a file of vectors of version 1');
  const end = text.indexOf('\n', MAGIC.length);
  const source = new Source(brotliDecompressSync(bytes.subarray(end + 1)));
  const vectors: Vector[] = [];
  while (!source.atEnd) vectors.push(readVector(source));
  return { processor: text.slice(MAGIC.length, end), vectors };
}

export { comparableFx, FX_BYTES };
