import { crc32 } from '../checksums.ts';
import { Crc64 } from '../crc64.ts';
import { XzInvalid } from './xz-invalid.ts';

/** A check of a block that takes its bytes piece by piece. */
export interface Check {
  add(bytes: Uint8Array): void;
  /** Whether the bytes have given the check that the file has, which is little-endian. */
  matches(stored: Uint8Array): boolean;
}

class Crc32Check implements Check {
  #crc = 0;

  add(bytes: Uint8Array): void {
    this.#crc = crc32(bytes, this.#crc);
  }

  matches(stored: Uint8Array): boolean {
    return isLittleEndian(stored, BigInt(this.#crc));
  }
}

class Crc64Check implements Check {
  readonly #crc = new Crc64();

  add(bytes: Uint8Array): void {
    this.#crc.add(bytes);
  }

  matches(stored: Uint8Array): boolean {
    return isLittleEndian(stored, this.#crc.value);
  }
}

const NOTHING: Check = { add: () => {}, matches: () => true };

/** By check ID (.xz file format, section 2.1.1.2). */
const CHECKS: Readonly<Record<number, { readonly bytes: number; readonly begin: () => Check }>> = {
  0: { bytes: 0, begin: () => NOTHING },
  1: { bytes: 4, begin: () => new Crc32Check() },
  4: { bytes: 8, begin: () => new Crc64Check() },
};
const SHA_256 = 10;

function known(id: number) {
  const kind = CHECKS[id];
  if (kind) return kind;
  throw new XzInvalid(
    `its check is ${id === SHA_256 ? 'SHA-256' : `number ${id}`}; none, CRC-32 and CRC-64 are supported`,
  );
}

/** How long a check is in the file. @throws {XzInvalid} it is not supported */
export function checkBytes(id: number): number {
  return known(id).bytes;
}

/** Begins with the bytes of a block. @throws {XzInvalid} the check is not supported */
export function beginCheck(id: number): Check {
  return known(id).begin();
}

function isLittleEndian(bytes: Uint8Array, value: bigint): boolean {
  return bytes.every((byte, i) => BigInt(byte) === ((value >> BigInt(8 * i)) & 0xffn));
}
