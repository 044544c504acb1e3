import { UsageError } from './errors.ts';
import { MOST_SOCKET_PATH_BYTES, quote } from './values.ts';

/** What `--vsock` asks for. */
export interface VsockOption {
  /** The host's socket; absent: the host has none. */
  readonly path?: string;
  /** The guest's address; absent: the saved one, or {@link DEFAULT_CID}. */
  readonly cid?: number;
}

/** The first address that is nobody's. */
export const DEFAULT_CID = 3;
/** What is above stands for any address. */
const MOST_CID = 0xfffffffe;
/** What the name of a port's socket has more than PATH. */
const MOST_SUFFIX_BYTES = '_4294967295'.length;

/** Reads `PATH[,cid=N]` or `none`. @throws {UsageError} */
export function parseVsock(text: string): VsockOption {
  if (text === 'none') return {};
  const [, path = '', digits] = /^(.*?)(?:,cid=([^,]*))?$/s.exec(text) ?? [];
  if (path === '') throw new UsageError('--vsock', quote(text), 'PATH[,cid=N] or none');
  const mostBytes = MOST_SOCKET_PATH_BYTES - MOST_SUFFIX_BYTES;
  if (new TextEncoder().encode(path).length > mostBytes) {
    throw new UsageError('--vsock', quote(path), `a path of at most ${mostBytes} bytes, as names of sockets go`);
  }
  if (digits === undefined) return { path };
  const cid = /^\d+$/.test(digits) ? Number(digits) : 0;
  if (cid < DEFAULT_CID || cid > MOST_CID) {
    throw new UsageError('--vsock', quote(`cid=${digits}`), `cid= and a number from ${DEFAULT_CID} to ${MOST_CID}`);
  }
  return { path, cid };
}
