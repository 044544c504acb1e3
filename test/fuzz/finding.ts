/** What a case tells when something is wrong that is not an exception by itself. */
export class Finding extends Error {}

/** @throws {Finding} unless `condition` holds */
export function expect(condition: boolean, message: () => string): void {
  if (!condition) throw new Finding(message());
}
