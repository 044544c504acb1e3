import { readSync } from 'node:fs';

/** Reads bytes of an open file, in this thread; fewer where it ends before. @throws {Error} they cannot be read */
export function readAt(file: number, offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const count = readSync(file, bytes, done, length - done, offset + done);
    if (count === 0) break;
    done += count;
  }
  return bytes.subarray(0, done);
}
