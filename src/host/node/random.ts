import { closeSync, openSync, readSync } from 'node:fs';

const SEED_BYTES = 8;
/** Random bytes of systems that have them in a file (Linux's random(4), and alike). */
const RANDOM_FILE = '/dev/urandom';

/** A number of 64 bits that nobody can foretell. */
export function randomSeed(): bigint {
  const seed = new BigUint64Array(1);
  return (fillFromFile(new Uint8Array(seed.buffer)) ? seed : crypto.getRandomValues(seed))[0];
}

/** To load Node's cryptography for them would take 9 ms of each start. @returns whether there is such a file */
function fillFromFile(bytes: Uint8Array): boolean {
  try {
    const file = openSync(RANDOM_FILE, 'r');
    const read = readSync(file, bytes, 0, SEED_BYTES, null);
    closeSync(file);
    return read === SEED_BYTES;
  } catch {
    return false;
  }
}
