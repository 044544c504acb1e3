import { ByteWriter } from '../../../base/bytes.ts';
import { requireVersion } from '../../../base/state-version.ts';
import type { DeviceState } from '../../../machine/interfaces.ts';
import type { SharedFolder } from '../../../machine/shared-folder.ts';
import { ERRNO, errnoOf } from './errors.ts';
import { Fids, type SavedFid } from './fids.ts';
import { OPERATIONS } from './operations.ts';
import { type HostOwner, type Owned, Owners } from './owners.ts';
import { bytesOf, HEADER_BYTES, MESSAGE, RequestReader, Truncated } from './wire.ts';

const VERSION = '9P2000.L';
/** The largest message: the room that a request and its answer take on the host. */
const MOST_MESSAGE_BYTES = 512 << 10;
const LEAST_MESSAGE_BYTES = 4096;
const STATE_VERSION = 1;

/** What is served. */
export interface NinepShare {
  readonly folder: SharedFolder;
  readonly readOnly: boolean;
  /** Whose files belong to the guest's root. */
  readonly owner: HostOwner;
}

/** A server of 9P2000.L: one client, one folder. Every request is answered at once; none throws. */
export class NinepServer {
  readonly #share: NinepShare;
  readonly #fids: Fids;
  readonly #owners: Owners;
  #messageBytes = MOST_MESSAGE_BYTES;

  constructor(share: NinepShare) {
    this.#share = share;
    this.#fids = new Fids(share.folder);
    this.#owners = new Owners(share.owner);
  }

  /** Answers a request. @param roomBytes the most bytes the answer may have */
  answer(request: Uint8Array, roomBytes: number): Uint8Array {
    if (request.length < HEADER_BYTES) return new Uint8Array(0);
    const [type, tag] = [request[4], request[5] | (request[6] << 8)];
    const replyBytes = Math.min(roomBytes, this.#messageBytes);
    try {
      const body = this.#perform(type, request, replyBytes);
      if (body.length + HEADER_BYTES <= roomBytes) return message(type + 1, tag, body);
      return message(MESSAGE.lerror + 1, tag, new ByteWriter().u32(ERRNO.EPROTO));
    } catch (error) {
      const errno = error instanceof Truncated ? ERRNO.EPROTO : errnoOf(error);
      return message(MESSAGE.lerror + 1, tag, new ByteWriter().u32(errno));
    }
  }

  /** Forgets the client: its handles, and what it agreed on. Owners it has given to files stay. */
  disconnect(): void {
    this.#fids.clear();
    this.#messageBytes = MOST_MESSAGE_BYTES;
  }

  save(): DeviceState {
    const owners = this.#owners.entries.map(([identity, owned]) => ({ identity, owned }));
    return { version: STATE_VERSION, messageBytes: this.#messageBytes, fids: this.#fids.save(), owners };
  }

  restore(state: DeviceState): void {
    requireVersion('NinepServer', state.version, STATE_VERSION);
    this.#messageBytes = Number(state.messageBytes);
    this.#fids.restore(state.fids as SavedFid[]);
    const owners = state.owners as { identity: bigint; owned: Owned }[];
    this.#owners.restore(owners.map(({ identity, owned }) => [identity, owned]));
  }

  #perform(type: number, request: Uint8Array, replyBytes: number): ByteWriter {
    const reader = new RequestReader(request);
    if (type === MESSAGE.version) return this.#agree(reader);
    const operation = OPERATIONS.get(type);
    if (!operation) throw Object.assign(new Error('unknown request'), { code: 'EOPNOTSUPP' });
    const { folder, readOnly } = this.#share;
    return operation({ folder, readOnly, owners: this.#owners, fids: this.#fids, replyBytes }, reader);
  }

  /** A version begins a new session. */
  #agree(reader: RequestReader): ByteWriter {
    const [size, version] = [reader.u32(), reader.string()];
    this.disconnect();
    this.#messageBytes = Math.max(LEAST_MESSAGE_BYTES, Math.min(size, MOST_MESSAGE_BYTES));
    const agreed = version === VERSION ? VERSION : 'unknown';
    return new ByteWriter().u32(this.#messageBytes).u16(agreed.length).append(bytesOf(agreed));
  }
}

function message(type: number, tag: number, body: ByteWriter): Uint8Array {
  return new ByteWriter()
    .u32(HEADER_BYTES + body.length)
    .u8(type)
    .u16(tag)
    .append(body.finish())
    .finish();
}
