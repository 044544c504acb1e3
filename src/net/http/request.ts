/** The longest head of a request: its lines with the empty one that ends it. */
export const MOST_HEAD_BYTES = 8192;
/** What ends the head of a request (RFC 9112 section 2.1). */
export const HEAD_END = '\r\n\r\n';

/** What a client asks for. */
export interface HttpRequest {
  readonly isHead: boolean;
  /** The path of the target, decoded, without its first slash. */
  readonly path: string;
  /** The bytes that are wanted; absent: all. */
  readonly range?: WantedRange;
  /** Whether the connection stays open for another request. */
  readonly isPersistent: boolean;
}

/** A request that is not answered with a file: why, as a status, and whether the client's next request can be told from it. */
export interface HttpRefusal {
  readonly status: number;
  readonly isHead: boolean;
  readonly isPersistent: boolean;
}

/** A range as it is asked for (RFC 9110 section 14.1.2): from a first byte to a last or the end, or so many bytes at the end. */
export type WantedRange = { readonly first: number; readonly last?: number } | { readonly suffix: number };

const REQUEST_LINE = /^([\w!#$%&'*+.^`|~-]+) ([\x21-\x7e]+) HTTP\/(\d)\.(\d)$/;
const FIELD_LINE = /^([\w!#$%&'*+.^`|~-]+):(.*)$/;

/** Reads the head of a request (RFC 9112), without what ends it. */
export function parseHead(text: string): HttpRequest | HttpRefusal {
  const [line, ...lines] = text.split('\r\n');
  const [, method, target, major, minor] = REQUEST_LINE.exec(line) ?? [];
  const fields = readFields(lines);
  if (method === undefined || !fields) return refusal(400);
  if (major !== '1') return refusal(505);
  const isHead = method === 'HEAD';
  if (hasContent(fields)) return refusal(413, isHead);
  const isPersistent = staysOpen(fields, Number(minor));
  if (minor !== '0' && !fields.has('host')) return refusal(400, isHead);
  if (!isHead && method !== 'GET') return { ...refusal(405), isPersistent };
  const path = pathOf(target);
  if (path === undefined) return { ...refusal(400, isHead), isPersistent };
  return { isHead, path, range: isHead ? undefined : wantedRange(fields), isPersistent };
}

function refusal(status: number, isHead = false): HttpRefusal {
  return { status, isHead, isPersistent: false };
}

/** @returns values by name in lower case; undefined where a line is none of a field */
function readFields(lines: readonly string[]): Map<string, string> | undefined {
  const fields = new Map<string, string>();
  for (const line of lines) {
    const [, name, value] = FIELD_LINE.exec(line) ?? [];
    if (name === undefined) return undefined;
    const key = name.toLowerCase();
    const before = fields.get(key);
    fields.set(key, before === undefined ? value.trim() : `${before}, ${value.trim()}`);
  }
  return fields;
}

/** What is asked for by GET and HEAD has no content; where it began the next request would not be told from it. */
function hasContent(fields: ReadonlyMap<string, string>): boolean {
  return fields.has('transfer-encoding') || (fields.get('content-length') ?? '0') !== '0';
}

/** RFC 9112 section 9.3. */
function staysOpen(fields: ReadonlyMap<string, string>, minor: number): boolean {
  const words = (fields.get('connection') ?? '').split(',').map((word) => word.trim().toLowerCase());
  return !words.includes('close') && (minor > 0 || words.includes('keep-alive'));
}

/** The path of a target that is one, or a whole URL (RFC 9112 section 3.2). */
function pathOf(target: string): string | undefined {
  const path = /^(?:https?:\/\/[^/?#]*)?\/([^?#]*)/i.exec(target)?.[1];
  if (path === undefined) return undefined;
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined;
  }
}

/** A range that cannot be read, or depends on a validator, which files have none of, is as none (RFC 9110 sections 13.1.5, 14.2). So
 * are several ranges at once. */
function wantedRange(fields: ReadonlyMap<string, string>): WantedRange | undefined {
  const [, first = '', last = ''] = /^bytes=(\d{0,15})-(\d{0,15})$/i.exec(fields.get('range') ?? '') ?? [];
  if (fields.has('if-range') || (first === '' && last === '')) return undefined;
  if (first === '') return { suffix: Number(last) };
  if (last === '') return { first: Number(first) };
  return Number(last) < Number(first) ? undefined : { first: Number(first), last: Number(last) };
}
