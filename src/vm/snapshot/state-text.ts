import { concatenate } from '../../base/bytes.ts';

/** A state as text, and the bytes that are left out of it. */
export interface StateText {
  readonly text: string;
  readonly bytes: Uint8Array;
}

/**
 * Makes JSON of a state: `{ "$bigint": decimal }` for bigints, and `{ "$bytes": [offset, length] }` for byte arrays, which
 * lie one after the other in `bytes`.
 * @throws {TypeError} the state holds a value that states may not hold
 */
export function textOf(state: unknown): StateText {
  const blobs: Uint8Array[] = [];
  let next = 0;
  const keep = (bytes: Uint8Array) => {
    blobs.push(bytes);
    next += bytes.length;
    return [next - bytes.length, bytes.length];
  };
  const text = JSON.stringify(encode(state, keep));
  return { text, bytes: concatenate(blobs) };
}

/** Undoes {@link textOf}. Byte arrays are copies. @throws {Error} the text is none of a state */
export function stateOf({ text, bytes }: StateText): unknown {
  return decode(JSON.parse(text), bytes);
}

function encode(value: unknown, keep: (bytes: Uint8Array) => number[]): unknown {
  if (typeof value === 'bigint') return { $bigint: String(value) };
  if (value instanceof Uint8Array) return { $bytes: keep(value) };
  if (Array.isArray(value)) return value.map((item) => encode(item, keep));
  if (typeof value === 'object' && value !== null) {
    if (Object.getPrototypeOf(value) !== Object.prototype) throw new TypeError('a state holds plain values only');
    return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, encode(field, keep)]));
  }
  if (
    typeof value === 'function' ||
    typeof value === 'symbol' ||
    (typeof value === 'number' && !Number.isFinite(value))
  ) {
    throw new TypeError(`a state cannot hold ${String(value)}`);
  }
  return value;
}

function decode(value: unknown, bytes: Uint8Array): unknown {
  if (Array.isArray(value)) return value.map((item) => decode(item, bytes));
  if (typeof value !== 'object' || value === null) return value;
  if ('$bigint' in value) return BigInt(String(value.$bigint));
  if ('$bytes' in value) return cut(bytes, value.$bytes as readonly number[]);
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, decode(field, bytes)]));
}

function cut(bytes: Uint8Array, [offset, length]: readonly number[]): Uint8Array {
  if (offset + length > bytes.length) throw new RangeError('a state names bytes that are not there');
  return bytes.slice(offset, offset + length);
}
