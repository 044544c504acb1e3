import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { ByteWriter } from '../src/base/bytes.ts';
import { SplitMix64 } from '../src/base/random.ts';
import { ERRNO } from '../src/devices/virtio/ninep/errors.ts';
import { NinepServer } from '../src/devices/virtio/ninep/server.ts';
import { MESSAGE, RequestReader } from '../src/devices/virtio/ninep/wire.ts';
import { NodeSharedFolder } from '../src/host/node/shared-folder.ts';

const ROOM = 64 << 10;
const RDWR = 2;
const CREATE = 0o100;
const TAG = 7;

/** A field of a request: a number of so many bytes, a string of bytes, or bytes as they are. */
type Field = readonly [1 | 2 | 4, number] | readonly [8, bigint] | string | Uint8Array;

const u8 = (value: number): Field => [1, value];
const u16 = (value: number): Field => [2, value];
const u32 = (value: number): Field => [4, value];
const u64 = (value: bigint | number): Field => [8, BigInt(value)];

function pack(type: number, fields: readonly Field[]): Uint8Array {
  const body = new ByteWriter().u8(type).u16(TAG);
  for (const field of fields) {
    if (typeof field === 'string') body.u16(field.length).text(field);
    else if (field instanceof Uint8Array) body.append(field);
    else if (field[0] === 8) body.u64(field[1]);
    else if (field[0] === 4) body.u32(field[1]);
    else if (field[0] === 2) body.u16(field[1]);
    else body.u8(field[1]);
  }
  return new ByteWriter()
    .u32(body.length + 4)
    .append(body.finish())
    .finish();
}

/** A client that says what it likes. */
class Client {
  readonly server: NinepServer;

  constructor(root: string, readOnly = false) {
    const owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
    this.server = new NinepServer({ folder: new NodeSharedFolder(root), readOnly, owner });
    this.ask(MESSAGE.version, u32(ROOM), '9P2000.L');
    this.ask(MESSAGE.attach, u32(0), u32(0xffffffff), 'root', '', u32(0));
  }

  /** @returns the body of the answer @throws {Error} with the number of the error as its message */
  ask(type: number, ...fields: readonly Field[]): RequestReader {
    const answer = this.server.answer(pack(type, fields), ROOM);
    const reader = new RequestReader(answer);
    if (answer[4] === MESSAGE.lerror + 1) throw new Error(String(reader.u32()));
    assert.equal(answer[4], type + 1);
    assert.equal(answer[5], TAG);
    return reader;
  }

  /** Has a new handle stand for a path. */
  walk(from: number, to: number, ...names: readonly string[]): number {
    return this.ask(MESSAGE.walk, u32(from), u32(to), u16(names.length), ...names).u16();
  }

  create(folder: number, fid: number, name: string, mode = 0o644): void {
    this.walk(folder, fid);
    this.ask(MESSAGE.lcreate, u32(fid), name, u32(RDWR | CREATE), u32(mode), u32(0));
  }

  write(fid: number, text: string): void {
    const bytes = new TextEncoder().encode(text);
    assert.equal(this.ask(MESSAGE.write, u32(fid), u64(0), u32(bytes.length), bytes).u32(), bytes.length);
  }

  read(fid: number): string {
    const answer = this.ask(MESSAGE.read, u32(fid), u64(0), u32(1000));
    return new TextDecoder().decode(answer.bytes(answer.u32()));
  }

  /** Mode, uid and gid. */
  attributes(fid: number): number[] {
    const answer = this.ask(MESSAGE.getattr, u32(fid), u64(0x3fff));
    answer.bytes(8 + 13);
    return [answer.u32(), answer.u32(), answer.u32()];
  }

  names(fid: number): string[] {
    this.ask(MESSAGE.lopen, u32(fid), u32(0));
    const names: string[] = [];
    for (let offset = 0n; ; ) {
      const answer = this.ask(MESSAGE.readdir, u32(fid), u64(offset), u32(200));
      let left = answer.u32();
      if (left === 0) return names;
      while (left > 0) {
        answer.bytes(13);
        offset = answer.u64();
        answer.u8();
        const name = answer.string();
        left -= 13 + 8 + 1 + 2 + name.length;
        names.push(name);
      }
    }
  }

  clunk(fid: number): void {
    this.ask(MESSAGE.clunk, u32(fid));
  }
}

const errno = (reason: keyof typeof ERRNO) => ({ message: String(ERRNO[reason]) });

describe('9P server', () => {
  let outside = '';
  let root = '';
  beforeEach(() => {
    outside = mkdtempSync(join(tmpdir(), 'vitrine-ninep-'));
    root = join(outside, 'root');
    mkdirSync(join(root, 'folder'), { recursive: true });
    mkdirSync(join(outside, 'private'));
    writeFileSync(join(outside, 'private', 'secret'), 'secret');
    writeFileSync(join(root, 'folder', 'file'), 'content');
  });
  afterEach(() => rmSync(outside, { recursive: true }));

  it('makes, writes, reads and lists files', () => {
    const client = new Client(root);
    client.create(0, 1, 'new');
    client.write(1, 'hello');
    assert.equal(client.read(1), 'hello');
    assert.equal(readFileSync(join(root, 'new'), 'utf8'), 'hello');
    client.walk(0, 2);
    assert.deepEqual(client.names(2).sort(), ['.', '..', 'folder', 'new']);
    assert.throws(() => client.create(0, 3, 'new\0'), errno('EINVAL'));
  });

  it('lists a folder of many files in pieces', () => {
    const client = new Client(root);
    for (let i = 0; i < 300; i++) writeFileSync(join(root, 'folder', `file-${i}`), '');
    client.walk(0, 1, 'folder');
    assert.equal(new Set(client.names(1)).size, 303);
  });

  it('follows handles through renames and removals', () => {
    const client = new Client(root);
    client.walk(0, 1, 'folder', 'file');
    client.walk(0, 2, 'folder');
    client.ask(MESSAGE.renameat, u32(0), 'folder', u32(0), 'renamed');
    client.ask(MESSAGE.lopen, u32(1), u32(0));
    client.ask(MESSAGE.unlinkat, u32(2), 'file', u32(0));
    assert.equal(client.read(1), 'content');
    assert.equal(client.attributes(1)[0] & 0o170000, 0o100000);
    client.ask(MESSAGE.unlinkat, u32(0), 'renamed', u32(0x200));
    assert.deepEqual(readdirSync(root), []);
  });

  it('changes an open file that has lost its name, and not the one that has it now', () => {
    const client = new Client(root);
    client.create(0, 1, 'file');
    client.write(1, 'hello');
    client.ask(MESSAGE.unlinkat, u32(0), 'file', u32(0));
    const change = (valid: number, mode: number, size: number) => {
      const times = [u64(1), u64(0), u64(2), u64(0)];
      client.ask(MESSAGE.setattr, u32(1), u32(valid), u32(mode), u32(0), u32(0), u64(size), ...times);
    };
    change(0x1b9, 0o600, 2); // mode, size, and times that are given
    assert.equal(client.read(1), 'he');
    assert.equal(client.attributes(1)[0], 0o100600);
    writeFileSync(join(root, 'file'), 'another');
    change(0x8, 0, 1);
    assert.equal(client.read(1), 'h');
    assert.equal(readFileSync(join(root, 'file'), 'utf8'), 'another');
  });

  it('walks as far as names are there', () => {
    const client = new Client(root);
    assert.equal(client.walk(0, 1, 'folder', 'nothing', 'below'), 1);
    assert.throws(() => client.attributes(1), errno('EBADF'));
    assert.throws(() => client.walk(0, 1, 'nothing'), errno('ENOENT'));
  });

  it('keeps owners, set-user-ID bits and devices to itself', () => {
    const client = new Client(root);
    client.create(0, 1, 'mine', 0o755);
    client.clunk(1);
    client.walk(0, 2, 'mine');
    assert.deepEqual(client.attributes(2), [0o100755, 0, 0]);
    client.ask(
      MESSAGE.setattr,
      u32(2),
      u32(7),
      u32(0o4711),
      u32(1000),
      u32(100),
      u64(0),
      u64(0),
      u64(0),
      u64(0),
      u64(0),
    );
    assert.deepEqual(client.attributes(2), [0o104711, 1000, 100]);
    const onHost = statSync(join(root, 'mine'));
    assert.deepEqual([onHost.mode & 0o7777, onHost.uid], [0o711, process.getuid?.()]);
    client.ask(MESSAGE.mknod, u32(0), 'device', u32(0o020600), u32(5), u32(1), u32(0));
    client.walk(0, 3, 'device');
    assert.equal(client.attributes(3)[0], 0o020600);
    assert.ok(statSync(join(root, 'device')).isFile());
  });

  it('changes nothing where it may only read', () => {
    const client = new Client(root, true);
    client.walk(0, 1, 'folder', 'file');
    assert.throws(() => client.ask(MESSAGE.lopen, u32(1), u32(RDWR)), errno('EROFS'));
    assert.throws(() => client.create(0, 2, 'new'), errno('EROFS'));
    assert.throws(() => client.ask(MESSAGE.remove, u32(1)), errno('EROFS'));
    client.walk(0, 3, 'folder', 'file');
    client.ask(MESSAGE.lopen, u32(3), u32(0));
    assert.equal(client.read(3), 'content');
    assert.throws(() => client.write(3, 'x'), errno('EROFS'));
  });

  it('goes on with the handles of a saved client', () => {
    const [client, other] = [new Client(root), new Client(root)];
    client.create(0, 1, 'kept');
    client.write(1, 'before');
    const state = client.server.save();
    other.server.restore(state);
    assert.equal(other.read(1), 'before');
    other.walk(0, 5, 'folder');
    assert.deepEqual(other.names(5).sort(), ['.', '..', 'file']);
  });

  it('lets no hostile client out by names, links or moved folders', () => {
    const client = new Client(root);
    const hostile = ['..', '.', '', '/', '/etc/passwd', '../private', 'folder/file', 'a/../../private', '..\0'];
    for (const name of hostile) {
      if (name !== '..') assert.throws(() => client.walk(0, 1, name), /^Error: \d+$/);
      assert.throws(() => client.create(0, 1, name), /^Error: \d+$/);
      assert.throws(() => client.ask(MESSAGE.mkdir, u32(0), name, u32(0o755), u32(0)));
      assert.throws(() => client.ask(MESSAGE.renameat, u32(0), 'folder', u32(0), name));
      assert.throws(() => client.ask(MESSAGE.unlinkat, u32(0), name, u32(0x200)));
      try {
        client.clunk(1);
      } catch {
        // the handle was not made
      }
    }
    assert.equal(client.walk(0, 10, '..', '..', '..'), 3);
    assert.deepEqual(client.names(10).sort(), ['.', '..', 'folder']);
    client.ask(MESSAGE.symlink, u32(0), 'way-out', '../private', u32(0));
    client.walk(0, 11, 'way-out');
    assert.throws(() => client.walk(11, 12, 'secret'), errno('ENOTDIR'));
    assert.throws(() => client.ask(MESSAGE.lopen, u32(11), u32(0)), errno('ELOOP'));
    assert.equal(client.walk(0, 13, 'way-out', 'secret'), 1);
    assert.equal(readFileSync(join(outside, 'private', 'secret'), 'utf8'), 'secret');
  });

  it('is not led out by a folder that becomes a link behind its back', () => {
    const client = new Client(root);
    client.walk(0, 1, 'folder');
    rmSync(join(root, 'folder'), { recursive: true });
    symlinkSync(join(outside, 'private'), join(root, 'folder'));
    assert.throws(() => client.walk(1, 2, 'secret'), errno('ENOTDIR'));
    assert.throws(() => client.create(1, 3, 'planted'), errno('ENOTDIR'));
    assert.throws(() => client.ask(MESSAGE.unlinkat, u32(1), 'secret', u32(0)), errno('ENOTDIR'));
    assert.deepEqual(readdirSync(join(outside, 'private')), ['secret']);
  });

  it('answers random messages, and stays inside', () => {
    const client = new Client(root);
    const random = new SplitMix64(9n);
    const below = (limit: number) => Number(random.next() % BigInt(limit));
    const names = ['folder', 'file', 'x', '..', '.', 'way-out', '/', '../private/secret', '', 'secret'];
    client.ask(MESSAGE.symlink, u32(0), 'way-out', '../private', u32(0));
    const field = (): Field => {
      const kind = below(6);
      if (kind === 0) return names[below(names.length)];
      if (kind === 1) return u64(BigInt(below(100)));
      if (kind === 2) return u8(below(256));
      return u32(kind === 3 ? below(0x100000000) : below(8));
    };
    const types = [...Object.values(MESSAGE), 255];
    for (let i = 0; i < 20_000; i++) {
      const request = pack(types[below(types.length)], Array.from({ length: below(9) }, field));
      if (below(20) === 0) request[below(request.length)] = below(256);
      const answer = client.server.answer(request, below(2) ? ROOM : below(64));
      assert.ok(answer.length <= ROOM);
    }
    assert.deepEqual(readdirSync(outside).sort(), ['private', 'root']);
    assert.deepEqual(readdirSync(join(outside, 'private')), ['secret']);
    assert.equal(readFileSync(join(outside, 'private', 'secret'), 'utf8'), 'secret');
    assert.equal(existsSync('/secret'), false);
    client.server.disconnect();
  });
});
