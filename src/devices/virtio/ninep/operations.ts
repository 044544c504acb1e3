import { ByteWriter } from '../../../base/bytes.ts';
import type { FileChanges, FileFacts, OpenMode, SharedFolder, SharedPath } from '../../../machine/shared-folder.ts';
import { Refused } from './errors.ts';
import { childOf, type Fid, type Fids } from './fids.ts';
import { MODE, type Owned, type Owners } from './owners.ts';
import { bytesOf, HEADER_BYTES, MESSAGE, QID_BYTES, type RequestReader } from './wire.ts';

/** What an operation works with. */
export interface Session {
  readonly folder: SharedFolder;
  readonly readOnly: boolean;
  readonly owners: Owners;
  readonly fids: Fids;
  /** The most bytes the answer may have, its header included. */
  readonly replyBytes: number;
}

/** Does what a request asks for and returns the body of the answer. What it throws becomes an error of the answer. */
type Operation = (session: Session, request: RequestReader) => ByteWriter;

/** Flags of open(2) on Linux. */
const OPEN = { accessMode: 3, writeOnly: 1, readWrite: 2, exclusive: 0o200, truncate: 0o1000, append: 0o2000 } as const;
const AT_REMOVEDIR = 0x200;
const QID_TYPE = { file: 0, link: 0x02, folder: 0x80, other: 0 } as const;
/** Types of directory entries (readdir(3)). */
const ENTRY_TYPE_SHIFT = 12;
/** Fields of Tsetattr that are to be set. */
const SET = {
  mode: 0x1,
  uid: 0x2,
  gid: 0x4,
  size: 0x8,
  accessed: 0x10,
  modified: 0x20,
  accessedGiven: 0x80,
  modifiedGiven: 0x100,
} as const;
/** What Rgetattr says is valid: everything up to the block count. */
const ATTRIBUTES_BASIC = 0x7ffn;
const BLOCK_BYTES = 4096n;
const V9FS_MAGIC = 0x01021997;
const MOST_NAME_BYTES = 255;
const LOCK_SUCCESS = 0;
const UNLOCKED = 2;
const NANOS_PER_SECOND = 1_000_000_000n;
const COUNT_BYTES = 4;
const MOST_WALK = 16;

const nothing = () => new ByteWriter();

/** Operations by the number of their request. */
export const OPERATIONS: ReadonlyMap<number, Operation> = new Map<number, Operation>([
  [MESSAGE.statfs, statfs],
  [MESSAGE.lopen, open],
  [MESSAGE.lcreate, create],
  [MESSAGE.symlink, symlink],
  [MESSAGE.mknod, mknod],
  [MESSAGE.rename, rename],
  [MESSAGE.readlink, readlink],
  [MESSAGE.getattr, getattr],
  [MESSAGE.setattr, setattr],
  [MESSAGE.readdir, readdir],
  [MESSAGE.fsync, fsync],
  [MESSAGE.lock, (session, request) => nothing().u8(session.fids.get(request.u32()) && LOCK_SUCCESS)],
  [MESSAGE.getlock, getlock],
  [MESSAGE.link, link],
  [MESSAGE.mkdir, mkdir],
  [MESSAGE.renameat, renameat],
  [MESSAGE.unlinkat, unlinkat],
  [MESSAGE.attach, attach],
  [MESSAGE.flush, nothing],
  [MESSAGE.walk, walk],
  [MESSAGE.read, read],
  [MESSAGE.write, write],
  [MESSAGE.clunk, clunk],
  [MESSAGE.remove, remove],
]);

function requireWritable({ readOnly }: Session): void {
  if (readOnly) throw new Refused('EROFS');
}

function putQid(reply: ByteWriter, facts: FileFacts): ByteWriter {
  const version = Number(BigInt.asUintN(32, facts.modifiedNanos ^ BigInt(facts.sizeBytes)));
  return reply.u8(QID_TYPE[facts.kind]).u32(version).u64(facts.identity);
}

/** Reads a name and makes it a path in a handle's folder. */
function readChild({ fids }: Session, request: RequestReader): SharedPath {
  const { path } = fids.get(request.u32());
  return childOf(path, request.string());
}

function attach({ fids, folder }: Session, request: RequestReader): ByteWriter {
  fids.add(request.u32(), []);
  return putQid(nothing(), folder.facts([]));
}

/** Stops at the first name that is not there; only then is the new handle not made. */
function walk({ fids, folder }: Session, request: RequestReader): ByteWriter {
  const [id, newId, count] = [request.u32(), request.u32(), request.u16()];
  if (count > MOST_WALK) throw new Refused('EINVAL');
  const fid = fids.get(id);
  const names = Array.from({ length: count }, () => request.string());
  const found: FileFacts[] = [];
  let { path } = fid;
  try {
    for (const name of names) {
      path = name === '..' ? path.slice(0, -1) : childOf(path, name);
      found.push(folder.facts(path));
    }
  } catch (error) {
    if (found.length === 0) throw error;
  }
  if (found.length === names.length) {
    if (newId !== id) fids.add(newId, path);
    else if (fid.file || fid.isOpenFolder) throw new Refused('EBADF');
    else fid.path = path;
  }
  const reply = nothing().u16(found.length);
  for (const facts of found) putQid(reply, facts);
  return reply;
}

function modeOf(flags: number): OpenMode {
  const access = flags & OPEN.accessMode;
  return {
    read: access !== OPEN.writeOnly,
    write: access === OPEN.writeOnly || access === OPEN.readWrite,
    truncate: (flags & OPEN.truncate) !== 0,
    append: (flags & OPEN.append) !== 0,
  };
}

function open(session: Session, request: RequestReader): ByteWriter {
  const { fids, folder } = session;
  const [fid, mode] = [fids.get(request.u32()), modeOf(request.u32())];
  if (fid.file || fid.isOpenFolder) throw new Refused('EBADF');
  if (mode.write || mode.truncate) requireWritable(session);
  const facts = folder.facts(fid.path);
  if (facts.kind !== 'folder') fids.open(fid, mode, () => folder.open(fid.path, mode));
  else if (mode.write) throw new Refused('EISDIR');
  else fid.isOpenFolder = true;
  return putQid(nothing(), facts).u32(0);
}

/** The handle, which was the folder's, is the new file's afterwards. */
function create(session: Session, request: RequestReader): ByteWriter {
  requireWritable(session);
  const { fids, folder } = session;
  const fid = fids.get(request.u32());
  const path = childOf(fid.path, request.string());
  const [flags, permissions, gid] = [request.u32(), request.u32(), request.u32()];
  if (fid.file || fid.isOpenFolder) throw new Refused('EBADF');
  const mode = modeOf(flags);
  fids.open(fid, mode, () => createOrOpen(session, path, mode, permissions, gid, (flags & OPEN.exclusive) !== 0));
  fid.path = path;
  return putQid(nothing(), folder.facts(path)).u32(0);
}

function createOrOpen(
  session: Session,
  path: SharedPath,
  mode: OpenMode,
  permissions: number,
  gid: number,
  only: boolean,
) {
  const { folder } = session;
  try {
    const file = folder.create(path, mode, permissions);
    own(session, path, { mode: MODE.file | (permissions & MODE.permissions), gid });
    return file;
  } catch (error) {
    if (only || (error as { code?: unknown }).code !== 'EEXIST') throw error;
    return folder.open(path, mode);
  }
}

function own({ folder, owners }: Session, path: SharedPath, owned: Owned): void {
  owners.make(folder.facts(path), owned);
}

function symlink(session: Session, request: RequestReader): ByteWriter {
  requireWritable(session);
  const path = readChild(session, request);
  session.folder.makeSymbolicLink(path, request.string());
  own(session, path, { gid: request.u32() });
  return putQid(nothing(), session.folder.facts(path));
}

/** The host gets an empty file in place of a device, a pipe or a socket. */
function mknod(session: Session, request: RequestReader): ByteWriter {
  requireWritable(session);
  const path = readChild(session, request);
  const [mode, major, minor, gid] = [request.u32(), request.u32(), request.u32(), request.u32()];
  const writable = { read: true, write: true, truncate: false, append: false };
  session.folder.create(path, writable, mode).close();
  own(session, path, { mode, gid, device: [major, minor] });
  return putQid(nothing(), session.folder.facts(path));
}

function mkdir(session: Session, request: RequestReader): ByteWriter {
  requireWritable(session);
  const path = readChild(session, request);
  const [mode, gid] = [request.u32(), request.u32()];
  session.folder.makeFolder(path, mode);
  own(session, path, { mode: MODE.folder | (mode & MODE.permissions), gid });
  return putQid(nothing(), session.folder.facts(path));
}

function link(session: Session, request: RequestReader): ByteWriter {
  requireWritable(session);
  const { path } = session.fids.get(request.u32());
  const from = session.fids.get(request.u32());
  session.folder.link(from.path, childOf(path, request.string()));
  return nothing();
}

function move(session: Session, from: SharedPath, to: SharedPath): ByteWriter {
  requireWritable(session);
  session.folder.rename(from, to);
  session.fids.moved(from, to);
  return nothing();
}

function rename(session: Session, request: RequestReader): ByteWriter {
  const { path } = session.fids.get(request.u32());
  if (path.length === 0) throw new Refused('EBUSY');
  return move(session, path, readChild(session, request));
}

function renameat(session: Session, request: RequestReader): ByteWriter {
  const from = readChild(session, request);
  return move(session, from, readChild(session, request));
}

function removeAt(session: Session, path: SharedPath, isFolder: boolean): void {
  requireWritable(session);
  if (path.length === 0) throw new Refused('EBUSY');
  session.owners.beforeRemoval(session.folder, path);
  if (isFolder) session.folder.removeFolder(path);
  else session.folder.removeFile(path);
}

function unlinkat(session: Session, request: RequestReader): ByteWriter {
  const path = readChild(session, request);
  removeAt(session, path, (request.u32() & AT_REMOVEDIR) !== 0);
  return nothing();
}

/** The handle is gone whether or not the file is. */
function remove(session: Session, request: RequestReader): ByteWriter {
  const id = request.u32();
  const { path } = session.fids.get(id);
  session.fids.remove(id);
  removeAt(session, path, session.folder.facts(path).kind === 'folder');
  return nothing();
}

function clunk({ fids }: Session, request: RequestReader): ByteWriter {
  fids.remove(request.u32());
  return nothing();
}

function readlink({ fids, folder }: Session, request: RequestReader): ByteWriter {
  const target = folder.readLink(fids.get(request.u32()).path);
  return nothing().u16(target.length).append(bytesOf(target));
}

/** A file that is open is known by that: it may have no name any more. */
function factsOf({ folder }: Session, fid: Fid): FileFacts {
  return fid.file ? fid.file.facts() : folder.facts(fid.path);
}

function getattr(session: Session, request: RequestReader): ByteWriter {
  const facts = factsOf(session, session.fids.get(request.u32()));
  const { mode, uid, gid, device } = session.owners.seen(facts);
  const reply = putQid(nothing().u64(ATTRIBUTES_BASIC), facts).u32(mode).u32(uid).u32(gid);
  reply.u64(BigInt(facts.links)).u64(encodeDevice(device)).u64(BigInt(facts.sizeBytes));
  reply.u64(BLOCK_BYTES).u64(BigInt(facts.blocks));
  for (const nanos of [facts.accessedNanos, facts.modifiedNanos, facts.changedNanos, 0n]) {
    reply.u64(nanos / NANOS_PER_SECOND).u64(nanos % NANOS_PER_SECOND);
  }
  return reply.u64(0n).u64(0n);
}

/** A device's numbers as Linux puts them into one (include/linux/kdev_t.h, new_encode_dev). */
function encodeDevice([major, minor]: readonly [number, number]): bigint {
  return BigInt(((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0);
}

function setattr(session: Session, request: RequestReader): ByteWriter {
  requireWritable(session);
  const fid = session.fids.get(request.u32());
  const [valid, mode, uid, gid] = [request.u32(), request.u32(), request.u32(), request.u32()];
  const sizeBytes = Number(request.u64());
  const times = [request.u64(), request.u64(), request.u64(), request.u64()];
  const time = (set: number, given: number, at: number) =>
    valid & set ? (valid & given ? times[at] * NANOS_PER_SECOND + times[at + 1] : 'now') : undefined;
  const isSet = (field: number) => (valid & field) !== 0;
  if (isSet(SET.size)) resize(session, fid, sizeBytes);
  setOwner(session, fid, {
    mode: isSet(SET.mode) ? mode : undefined,
    uid: isSet(SET.uid) ? uid : undefined,
    gid: isSet(SET.gid) ? gid : undefined,
  });
  const accessedNanos = time(SET.accessed, SET.accessedGiven, 0);
  const modifiedNanos = time(SET.modified, SET.modifiedGiven, 2);
  const isTimed = accessedNanos !== undefined || modifiedNanos !== undefined;
  if (isTimed) change(session, fid, { accessedNanos, modifiedNanos });
  return nothing();
}

function change({ folder }: Session, { file, path }: Fid, changes: FileChanges): void {
  if (file) file.change(changes);
  else folder.change(path, changes);
}

function resize(session: Session, fid: Fid, sizeBytes: number): void {
  if (!Number.isSafeInteger(sizeBytes)) throw new Refused('EFBIG');
  if (fid.mode?.write) change(session, fid, { sizeBytes });
  else session.folder.change(fid.path, { sizeBytes });
}

function setOwner(session: Session, fid: Fid, wanted: { mode?: number; uid?: number; gid?: number }): void {
  const facts = factsOf(session, fid);
  const { mode: before } = session.owners.seen(facts);
  const { uid, gid } = wanted;
  const mode = wanted.mode === undefined ? undefined : (before & MODE.type) | (wanted.mode & MODE.permissions);
  const plain = facts.kind === 'file' || facts.kind === 'folder';
  if (mode !== undefined && plain && fid.path.length > 0) change(session, fid, { mode });
  const owned = {
    ...(mode !== undefined && { mode }),
    ...(uid !== undefined && { uid }),
    ...(gid !== undefined && { gid }),
  };
  if (Object.keys(owned).length > 0) session.owners.own(facts, owned);
}

/** Entries from the position that the last one of the answer before named; the list is made when reading begins. */
function readdir(session: Session, request: RequestReader): ByteWriter {
  const fid = session.fids.get(request.u32());
  const [offset, count] = [Number(request.u64()), request.u32()];
  if (!fid.isOpenFolder) throw new Refused('EBADF');
  if (offset === 0 || !fid.names) fid.names = ['.', '..', ...session.folder.list(fid.path)];
  const room = Math.min(count, session.replyBytes - HEADER_BYTES - COUNT_BYTES);
  const entries = nothing();
  for (let index = offset; index < fid.names.length; index++) {
    const name = fid.names[index];
    if (entries.length + QID_BYTES + 8 + 1 + 2 + name.length > room) break;
    const facts = entryFacts(session, fid.path, name);
    if (!facts) continue;
    const type = (session.owners.seen(facts).mode & MODE.type) >> ENTRY_TYPE_SHIFT;
    putQid(entries, facts)
      .u64(BigInt(index + 1))
      .u8(type)
      .u16(name.length)
      .append(bytesOf(name));
  }
  return nothing().u32(entries.length).append(entries.finish());
}

/** What an entry is, or undefined when it has gone since the list was made. */
function entryFacts({ folder }: Session, path: SharedPath, name: string): FileFacts | undefined {
  try {
    if (name === '.') return folder.facts(path);
    return folder.facts(name === '..' ? path.slice(0, -1) : [...path, name]);
  } catch {
    return undefined;
  }
}

function requireFile(fid: Fid) {
  if (!fid.file) throw new Refused(fid.mode ? 'ESTALE' : 'EBADF');
  return fid.file;
}

function offsetOf(offset: bigint): number {
  if (offset > BigInt(Number.MAX_SAFE_INTEGER)) throw new Refused('EFBIG');
  return Number(offset);
}

function read({ fids, replyBytes }: Session, request: RequestReader): ByteWriter {
  const fid = fids.get(request.u32());
  const [offset, count] = [request.u64(), request.u32()];
  const bytes = new Uint8Array(Math.max(0, Math.min(count, replyBytes - HEADER_BYTES - COUNT_BYTES)));
  const length = requireFile(fid).read(offsetOf(offset), bytes);
  return nothing().u32(length).append(bytes.subarray(0, length));
}

function write(session: Session, request: RequestReader): ByteWriter {
  requireWritable(session);
  const fid = session.fids.get(request.u32());
  const [offset, count] = [request.u64(), request.u32()];
  return nothing().u32(requireFile(fid).write(offsetOf(offset), request.bytes(count)));
}

function fsync({ fids }: Session, request: RequestReader): ByteWriter {
  fids.get(request.u32()).file?.sync();
  return nothing();
}

/** The kernel keeps the locks of its processes itself, and nobody else's are known here. */
function getlock({ fids }: Session, request: RequestReader): ByteWriter {
  fids.get(request.u32());
  request.u8();
  const [start, length, process, client] = [request.u64(), request.u64(), request.u32(), request.string()];
  return nothing().u8(UNLOCKED).u64(start).u64(length).u32(process).u16(client.length).append(bytesOf(client));
}

function statfs({ fids, folder }: Session, request: RequestReader): ByteWriter {
  fids.get(request.u32());
  const { blockBytes, blocks, freeBlocks, availableBlocks, files, freeFiles } = folder.space();
  const reply = nothing().u32(V9FS_MAGIC).u32(blockBytes);
  for (const count of [blocks, freeBlocks, availableBlocks, files, freeFiles]) reply.u64(BigInt(count));
  return reply.u64(0n).u32(MOST_NAME_BYTES);
}
