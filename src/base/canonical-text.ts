/**
 * Writes plain values (records, arrays, numbers, bigints, strings, booleans, null, Uint8Array) as text: equal values give
 * equal text, whatever the order of their fields. A field that is undefined counts as absent.
 * @throws {TypeError} for a value of another kind
 */
export function canonicalText(value: unknown): string {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'number') return String(value);
  if (typeof value === 'bigint') return `${value}n`;
  if (value instanceof Uint8Array) return `<${value.join(' ')}>`;
  if (Array.isArray(value)) return `[${value.map(canonicalText).join()}]`;
  if (typeof value !== 'object' || Object.getPrototypeOf(value) !== Object.prototype) {
    throw new TypeError(`a state cannot hold ${String(value)}`);
  }
  const fields = Object.entries(value).filter(([, field]) => field !== undefined);
  const sorted = fields.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${sorted.map(([name, field]) => `${name}:${canonicalText(field)}`).join()}}`;
}
