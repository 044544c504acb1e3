/**
 * Checks the version of a saved record before it is restored.
 *
 * @param chip the name the message gives to the record's owner
 * @throws {Error} when `found` is not the version this code writes and reads
 */
export function requireVersion(chip: string, found: unknown, expected: number): void {
  if (found !== expected) throw new Error(`${chip}: saved state has version ${String(found)}, expected ${expected}`);
}
